//! Numbers as header fields have them, without the formatting machinery: some are in every answer.

use portcullis_risk::Points;

/// A number in decimal.
pub struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    pub fn of(mut number: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        for (place, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (number % 10) as u8;
            start = place;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        Self { digits, start }
    }

    pub fn as_str(&self) -> &str {
        let digits = self.digits.get(self.start..).unwrap_or_default();
        std::str::from_utf8(digits).unwrap_or_default()
    }
}

/// Points with one digit behind the point, as `Points` shows them.
pub struct ShownPoints {
    bytes: [u8; 24],
    start: usize,
}

impl ShownPoints {
    pub fn of(points: Points) -> Self {
        let tenths = (points.milli().unsigned_abs() + 50) / 100;
        let mut bytes = [b'0'; 24];
        let mut start = bytes.len();
        let mut push = |byte: u8| {
            start -= 1;
            if let Some(place) = bytes.get_mut(start) {
                *place = byte;
            }
        };
        push(b'0' + (tenths % 10) as u8);
        push(b'.');
        for digit in Decimal::of(tenths / 10).as_str().bytes().rev() {
            push(digit);
        }
        if points.milli() < 0 && tenths > 0 {
            push(b'-');
        }
        Self { bytes, start }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.bytes.get(self.start..).unwrap_or_default()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_written_as_they_are_shown() {
        for milli in [0, 49, 50, 12_345, -12_350, -20, 99_950, i64::MAX, i64::MIN] {
            assert_eq!(ShownPoints::of(Points(milli)).as_str(), Points(milli).to_string());
        }
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 99, 100, 50_000, u64::MAX] {
            assert_eq!(Decimal::of(number).as_str(), number.to_string());
        }
    }
}
