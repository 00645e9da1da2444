//! From a head on the wire to the types that the pipeline reads.

use std::cell::RefCell;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use portcullis_wire::http1::{BodyDecoder, Field, RequestHead, ResponseHead};

/// The request of a head that was found good. `None` if it has a target that the types can't hold.
pub fn request_of(bytes: &Bytes, head: &RequestHead, fields: &[Field]) -> Option<Request<()>> {
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method.of(bytes)).ok()?;
    *request.uri_mut() = Uri::from_maybe_shared(shared(bytes, head.target)).ok()?;
    *request.headers_mut() = fields_of(bytes, fields)?;
    Some(request)
}

/// Status and fields of an upstream's answer.
pub fn answer_of(bytes: &Bytes, head: &ResponseHead, fields: &[Field]) -> Option<(StatusCode, HeaderMap)> {
    Some((StatusCode::from_u16(head.status).ok()?, fields_of(bytes, fields)?))
}

fn fields_of(bytes: &Bytes, fields: &[Field]) -> Option<HeaderMap> {
    // Room for the fields that the gate adds.
    let mut headers = HeaderMap::with_capacity(fields.len() + 6);
    for field in fields {
        let name = HeaderName::from_bytes(field.name.of(bytes)).ok()?;
        let value = HeaderValue::from_maybe_shared(shared(bytes, field.value)).ok()?;
        headers.append(name, value);
    }
    Some(headers)
}

fn shared(bytes: &Bytes, span: portcullis_wire::http1::Span) -> Bytes {
    let part = span.of(bytes);
    if part.is_empty() { Bytes::new() } else { bytes.slice_ref(part) }
}

/// The trailers of a body that has ended, once, if there are any; the codec has refused what may not be there.
pub fn trailers_of(decoder: &mut BodyDecoder) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    for (name, value) in decoder.take_trailers() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            fields.append(name, value);
        }
    }
    (!fields.is_empty()).then_some(fields)
}

thread_local! {
    static PLACES: RefCell<Vec<Field>> = const { RefCell::new(Vec::new()) };
}

/// Parses a head without allocating for each: the places of its fields go where those of the last one were.
pub fn with_places<T>(parse: impl FnOnce(&mut Vec<Field>) -> T) -> T {
    PLACES.with_borrow_mut(parse)
}
