//! One file for each format.

pub(crate) mod cloudtrail;
pub(crate) mod combined;
pub(crate) mod jsonl;
pub(crate) mod k8s_audit;
