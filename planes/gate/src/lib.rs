//! The data plane: where vendors' machines connect, and every request is decided.
//!
//! One current-thread runtime for each core, each with its own listener (`SO_REUSEPORT`), its own
//! connections and its own pool of upstream connections. The cores share what must be exact:
//! liveness, records windows, accepted proofs. [`pipeline`] reads downward as the life of a request.
//!
//! The gate holds no database credential and knows neither control nor store: it gets snapshots
//! and severances through its [`link`], and sends decisions back.

mod assess;
mod body;
mod challenge;
mod connection;
mod core;
mod counting;
mod days;
mod decimal;
mod departures;
mod doors;
mod exchange;
mod external;
mod filter;
mod forward;
mod frame_guard;
mod gate;
mod grpc;
mod gunzip;
mod http1;
mod identify;
mod io;
mod keeper;
mod limit;
pub mod link;
mod listener;
mod memory;
mod opening;
mod orders;
mod outlet;
mod pipeline;
pub mod probe;
mod read;
mod record;
mod refusal;
mod relay;
mod reload;
mod request_body;
mod seen;
mod sending;
mod settings;
mod shared;
mod snapshots;
mod speak;
mod strangers;
mod stream_task;
mod tls;
mod tunnel;
mod unpack;
mod upstream;
mod upstream_fields;
mod upstream_http2;
mod vendor_body;

pub use gate::{Gate, GateError, GateOptions};
pub use reload::{Prepared, Reloaded, Reloads};
pub use settings::{GateSettings, HandshakeRate, Http2Settings, SettingError, TlsMinimum};
pub use snapshots::RereadError;
pub use strangers::Strangers;
pub use tls::{TlsError, TlsMaterial};
