//! Examples of pages and packs.

pub(in crate::cli) const PAGE_LIST: &str = "\
Examples:
  portcullis page list
  portcullis page list --all -o json";

pub(in crate::cli) const PAGE_ACK: &str = "\
Examples:
  portcullis page ack 7K2M-9QXD";

pub(in crate::cli) const PAGE_TRY: &str = "\
Examples:
  portcullis page try";

pub(in crate::cli) const INCIDENT_EXPORT: &str = "\
Examples:
  portcullis incident export 3
  portcullis incident export 3 --rows --seal --out incident-3.tar";

pub(in crate::cli) const PACK: &str = "\
Examples:
  portcullis pack acme --from 24h --out acme.tar
  portcullis pack acme --from 2026-11-18T00:00:00Z --to 2026-11-21T00:00:00Z --rows --seal
  portcullis pack --incident 3 --rows
  portcullis pack verify acme.tar --key example.com/l+1866dc86+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs

The archive holds `report.html` for people, which prints well, and `evidence.json` for programs.";

pub(in crate::cli) const PACK_VERIFY: &str = "\
Examples:
  portcullis pack verify acme.tar
  portcullis pack verify acme.tar --key example.com/l+1866dc86+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
