//! What proves a document: its digest, a detached JWS, a PDF signature, and the chain or key behind it.
//!
//! Pure: bytes in, a verdict out, in bounded time and memory.
