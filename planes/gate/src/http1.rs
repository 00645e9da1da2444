//! HTTP/1.1 on both sides of the gate, over the strict codec of `portcullis_wire::http1`.
//!
//! One task carries a vendor's connection and the upstream connections of its exchanges: nothing is
//! handed from task to task, so a cut stops all of it in one step, and an idle connection holds no buffer.

mod body;
mod encode;
mod head;
mod respond;
mod upstream;
mod vendor;
mod wire;

pub use body::{BodyError, Http1Body};
pub use encode::{Frames, request_head};
pub use upstream::{ResponseBody, UpstreamIo, UpstreamWire};
pub use vendor::{UpgradeWanted, serve};
pub use wire::Wire;
