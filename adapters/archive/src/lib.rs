//! The sealed part of the decision log: Parquet files by the hour, each with its digest in the ledger.
