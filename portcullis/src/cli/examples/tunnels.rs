//! Examples of `tunnel`.

pub(in super::super) const LIST: &str = "\
Examples:
  portcullis tunnel list
  portcullis tunnel list -o json";

pub(in super::super) const SHOW: &str = "\
Examples:
  portcullis tunnel show acme-main";

pub(in super::super) const CREDENTIALS: &str = "\
Examples:
  portcullis tunnel credentials acme-main
  portcullis tunnel credentials acme-main --csr acme.csr --days 90

The link is down from then on until the vendor has the new ones.";

pub(in super::super) const RENDER: &str = "\
Examples:
  portcullis tunnel render acme-main
  portcullis tunnel render acme-main --with-secrets --out acme-main
  portcullis tunnel render acme-people --person 'Jo Doe' --with-secrets --side vendor --out jo

Secrets are written once for each credentials; the vendor's private key isn't kept here after that.";

pub(in super::super) const PERSON_ADD: &str = "\
Examples:
  portcullis tunnel person add acme-people 'Jo Doe' --days 30";

pub(in super::super) const PERSON_LIST: &str = "\
Examples:
  portcullis tunnel person list acme-people";

pub(in super::super) const PERSON_REVOKE: &str = "\
Examples:
  portcullis tunnel person revoke acme-people 'Jo Doe' --reason 'left the firm'";
