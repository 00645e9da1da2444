//! The same with AVX2 and carry-less multiplication. All of the crate's `unsafe` is here.

pub(crate) use machine::Avx2;

#[cfg(target_arch = "x86_64")]
mod machine {
    use std::arch::x86_64::_mm_loadu_si128;
    use std::arch::x86_64::{
        __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8, _mm256_and_si256,
        _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256,
        _mm256_min_epu8, _mm256_movemask_epi8, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
        _mm256_srli_epi16,
    };

    use crate::blocks::{BLOCK_BYTES, Classifier, EscapeMasks, Masks, TableClassifier, TableMasks};
    use crate::json::Json;
    use crate::meter::{Halt, Meter};
    use crate::rows::Rows;

    /// A proof: there is a value only where the processor has all that the functions below enable.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(());

    impl Avx2 {
        /// The standard library asks the processor once, and remembers.
        pub(crate) fn detect() -> Option<Self> {
            let has_all = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("pclmulqdq")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt");
            has_all.then_some(Self(()))
        }

        pub(crate) fn inside(
            self,
            json: &mut Json,
            chunk: &[u8],
            at: usize,
            meter: &mut Meter,
        ) -> Result<usize, Halt> {
            // SAFETY: a value of this type proves that the processor has these features.
            unsafe { inside(self, json, chunk, at, meter) }
        }

        pub(crate) fn regular_rows(
            self,
            rows: &mut Rows,
            chunk: &[u8],
            at: usize,
            meter: &mut Meter,
        ) -> usize {
            // SAFETY: as above.
            unsafe { regular_rows(self, rows, chunk, at, meter) }
        }
    }

    #[target_feature(enable = "avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
    fn inside(
        avx2: Avx2,
        json: &mut Json,
        chunk: &[u8],
        at: usize,
        meter: &mut Meter,
    ) -> Result<usize, Halt> {
        json.inside(avx2, chunk, at, meter)
    }

    #[target_feature(enable = "avx2,pclmulqdq,bmi1,bmi2,lzcnt,popcnt")]
    fn regular_rows(avx2: Avx2, rows: &mut Rows, chunk: &[u8], at: usize, meter: &mut Meter) -> usize {
        rows.regular(avx2, chunk, at, meter)
    }

    impl TableClassifier for Avx2 {
        #[inline(always)]
        fn table_masks(self, block: &[u8; BLOCK_BYTES]) -> TableMasks {
            // SAFETY: a value of this type proves that the processor has these features.
            unsafe { table_masks(block) }
        }
    }

    impl Classifier for Avx2 {
        #[inline(always)]
        fn masks(self, block: &[u8; BLOCK_BYTES]) -> Masks {
            // SAFETY: a value of this type proves that the processor has these features.
            unsafe { masks(block) }
        }

        #[inline(always)]
        fn escape_masks(self, block: &[u8; BLOCK_BYTES]) -> EscapeMasks {
            // SAFETY: as above.
            unsafe { escape_masks(block) }
        }

        #[inline(always)]
        fn parities(self, bits: u64) -> u64 {
            // SAFETY: as above.
            unsafe { parities(bits) }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn masks(block: &[u8; BLOCK_BYTES]) -> Masks {
        let halves = halves(block);
        let zero = _mm256_setzero_si256();
        let kinds = halves.map(|half| kinds(half, &KINDS_HIGH, &KINDS_LOW));
        let last_control = _mm256_set1_epi8(0x1f);
        let control = |half| _mm256_cmpeq_epi8(_mm256_min_epu8(half, last_control), half);
        // As signed numbers kinds with `BRACKET` are negative, those of scalars above all blanks.
        let blank = _mm256_set1_epi8(BLANKS as i8);
        Masks {
            quotes: equal(halves, b'"'),
            backslashes: equal(halves, b'\\'),
            brackets: both(kinds[0], kinds[1]),
            scalars: both(_mm256_cmpgt_epi8(kinds[0], blank), _mm256_cmpgt_epi8(kinds[1], blank)),
            strays: both(_mm256_cmpeq_epi8(kinds[0], zero), _mm256_cmpeq_epi8(kinds[1], zero)),
            controls: both(control(halves[0]), control(halves[1])),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn escape_masks(block: &[u8; BLOCK_BYTES]) -> EscapeMasks {
        let halves = halves(block);
        let kinds = halves.map(|half| kinds(half, &ESCAPES_HIGH, &ESCAPES_LOW));
        let zero = _mm256_setzero_si256();
        let of_kinds = |wanted: u8| {
            let wanted = _mm256_set1_epi8(wanted as i8);
            let [low, high] = kinds.map(|kinds| _mm256_cmpeq_epi8(_mm256_and_si256(kinds, wanted), zero));
            !both(low, high)
        };
        EscapeMasks { letters: of_kinds(LETTERS), unicodes: of_kinds(UNICODE), digits: of_kinds(DIGITS) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn table_masks(block: &[u8; BLOCK_BYTES]) -> TableMasks {
        let halves = halves(block);
        TableMasks {
            quotes: equal(halves, b'"'),
            commas: equal(halves, b','),
            returns: equal(halves, b'\r'),
            feeds: equal(halves, b'\n'),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn equal(halves: [__m256i; 2], byte: u8) -> u64 {
        let wanted = _mm256_set1_epi8(byte as i8);
        both(_mm256_cmpeq_epi8(halves[0], wanted), _mm256_cmpeq_epi8(halves[1], wanted))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn halves(block: &[u8; BLOCK_BYTES]) -> [__m256i; 2] {
        let (low, high) = block.split_at(BLOCK_BYTES / 2);
        // SAFETY: each half is 32 bytes that may be read, and the load needs no alignment.
        unsafe { [_mm256_loadu_si256(low.as_ptr().cast()), _mm256_loadu_si256(high.as_ptr().cast())] }
    }

    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    fn parities(bits: u64) -> u64 {
        let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits as i64), _mm_set1_epi8(-1));
        _mm_cvtsi128_si64(product) as u64
    }

    /// The highest bit of each byte.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn both(low: __m256i, high: __m256i) -> u64 {
        let low = _mm256_movemask_epi8(low) as u32;
        let high = _mm256_movemask_epi8(high) as u32;
        u64::from(low) | u64::from(high) << 32
    }

    /// A bit, high halves of bytes and low ones.
    type Rectangle = (u8, &'static [u8], &'static [u8]);

    const BRACKET: u8 = 1 << 7;
    /// The three lowest kinds.
    const BLANKS: u8 = 0b111;

    /// The kinds of bytes that may stand outside of strings, as rectangles: every byte with one of
    /// these high and one of these low halves. A byte is of a kind if the tables of both halves say
    /// so; one above 0x7f is of none, as the shuffle gives zero for it.
    const KINDS: [Rectangle; 8] = [
        (BRACKET, &[0x5, 0x7], &[0xb, 0xd]),
        // Digits; `+`, `-` and `.`; `A` to `O` and `a` to `o`; `P` to `Z` and `p` to `z`.
        (1 << 6, &[0x3], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (1 << 5, &[0x2], &[0xb, 0xd, 0xe]),
        (1 << 4, &[0x4, 0x6], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf]),
        (1 << 3, &[0x5, 0x7], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xa]),
        // Tab and line ends; space and `,`; `:`.
        (1 << 2, &[0x0], &[0x9, 0xa, 0xd]),
        (1 << 1, &[0x2], &[0x0, 0xc]),
        (1, &[0x3], &[0xa]),
    ];

    const UNICODE: u8 = 1 << 2;
    const LETTERS: u8 = 0b1_1111;
    const DIGITS: u8 = 0b110_0000;

    /// The same for escapes.
    const ESCAPES: [Rectangle; 7] = [
        // `"` and `/`; `\`; r, t and u, but u with a bit of its own; b, f and n.
        (1, &[0x2], &[0x2, 0xf]),
        (1 << 1, &[0x5], &[0xc]),
        (UNICODE, &[0x7], &[0x5]),
        (1 << 3, &[0x7], &[0x2, 0x4]),
        (1 << 4, &[0x6], &[0x2, 0x6, 0xe]),
        // Digits; A to F and a to f.
        (1 << 5, &[0x3], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (1 << 6, &[0x4, 0x6], &[1, 2, 3, 4, 5, 6]),
    ];

    static KINDS_HIGH: [u8; 16] = high_halves(&KINDS);
    static KINDS_LOW: [u8; 16] = low_halves(&KINDS);
    static ESCAPES_HIGH: [u8; 16] = high_halves(&ESCAPES);
    static ESCAPES_LOW: [u8; 16] = low_halves(&ESCAPES);

    #[inline]
    #[target_feature(enable = "avx2")]
    fn kinds(bytes: __m256i, high: &'static [u8; 16], low: &'static [u8; 16]) -> __m256i {
        // SAFETY: the tables have 16 bytes, and the load needs no alignment.
        let (high, low) =
            unsafe { (_mm_loadu_si128(high.as_ptr().cast()), _mm_loadu_si128(low.as_ptr().cast())) };
        let high_halves = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(0x0f));
        _mm256_and_si256(
            _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(high), high_halves),
            _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(low), bytes),
        )
    }

    const fn high_halves(rectangles: &[Rectangle]) -> [u8; 16] {
        let mut table = [0; 16];
        let mut rest = rectangles;
        while let Some(((kind, high, _), after)) = rest.split_first() {
            table = with(table, *kind, high);
            rest = after;
        }
        table
    }

    const fn low_halves(rectangles: &[Rectangle]) -> [u8; 16] {
        let mut table = [0; 16];
        let mut rest = rectangles;
        while let Some(((kind, _, low), after)) = rest.split_first() {
            table = with(table, *kind, low);
            rest = after;
        }
        table
    }

    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, where a fault is an error")]
    const fn with(mut table: [u8; 16], kind: u8, halves: &[u8]) -> [u8; 16] {
        let mut rest = halves;
        while let Some((half, after)) = rest.split_first() {
            table[*half as usize] |= kind;
            rest = after;
        }
        table
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod machine {
    use crate::json::Json;
    use crate::meter::{Halt, Meter};
    use crate::rows::Rows;

    /// There is none.
    #[derive(Clone, Copy)]
    pub(crate) enum Avx2 {}

    impl Avx2 {
        pub(crate) fn detect() -> Option<Self> {
            None
        }

        pub(crate) fn inside(self, _: &mut Json, _: &[u8], _: usize, _: &mut Meter) -> Result<usize, Halt> {
            match self {}
        }

        pub(crate) fn regular_rows(self, _: &mut Rows, _: &[u8], _: usize, _: &mut Meter) -> usize {
            match self {}
        }
    }
}
