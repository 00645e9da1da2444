//! The files that come with the program.

macro_rules! shipped {
    ($($file:literal),+ $(,)?) => {
        /// Each with its name and text.
        pub const SHIPPED: &[(&str, &str)] =
            &[$(($file, include_str!(concat!("../../clocks/", $file)))),+];
    };
}

shipped![
    "vendor-notice.yaml",
    "gdpr-33.yaml",
    "hipaa-breach.yaml",
    "us-bank-36h.yaml",
    "sec-8k.yaml",
    "california-1798-82.yaml",
    "nis2-23.yaml",
    "dora-19.yaml",
];
