//! How a state is written and read: field by field, big-endian, without lengths where they are fixed.

use crate::progress::Broken;

/// What a state is made of.
pub(crate) trait Field: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Broken>;
}

/// What isn't read yet.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Broken::Length)?;
        self.0 = rest;
        Ok(*head)
    }
}

macro_rules! integers {
    ($($type:ty)+) => { $(
        impl Field for $type {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn read(bytes: &mut Bytes<'_>) -> Result<Self, Broken> {
                Ok(Self::from_be_bytes(bytes.take()?))
            }
        }
    )+ };
}

integers!(u8 u16 u32 u64 i8 i16 i32 i64);

/// No state counts further.
pub(crate) const NUMBER_MAX: f32 = 1e24;

/// Written as their bits; what isn't a number is refused.
impl Field for f32 {
    fn write(&self, out: &mut Vec<u8>) {
        self.to_bits().write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Broken> {
        let value = Self::from_bits(u32::read(bytes)?);
        if (0.0..=NUMBER_MAX).contains(&value) { Ok(value) } else { Err(Broken::Value("number")) }
    }
}

impl Field for bool {
    fn write(&self, out: &mut Vec<u8>) {
        u8::from(*self).write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Broken> {
        match u8::read(bytes)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Broken::Value("flag")),
        }
    }
}

impl<T: Field + Copy + Default, const N: usize> Field for [T; N] {
    fn write(&self, out: &mut Vec<u8>) {
        for one in self {
            one.write(out);
        }
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Broken> {
        let mut all = [T::default(); N];
        for one in &mut all {
            *one = T::read(bytes)?;
        }
        Ok(all)
    }
}

/// The fields of a state, in the order in which they are written.
macro_rules! fields {
    ($type:ident $(<const $n:ident: usize>)? { $($field:ident),+ $(,)? }) => {
        impl $(<const $n: usize>)? $crate::codec::Field for $type $(<$n>)? {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)+
            }

            fn read(bytes: &mut $crate::codec::Bytes<'_>) -> Result<Self, $crate::Broken> {
                Ok(Self { $($field: $crate::codec::Field::read(bytes)?,)+ })
            }
        }
    };
}

pub(crate) use fields;
