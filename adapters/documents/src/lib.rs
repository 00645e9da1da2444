//! Documents of evidence, on disk, each encrypted under the key of its vendor and known by its digest.
