//! What can be wrong with a head.

/// What is wrong with the head of a message. Always the peer's fault: the connection is closed, after an
/// answer with [`HeadFault::status`] where the peer is a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    // The bytes as a whole.
    #[error("the connection does not start with an HTTP/1.1 head; hint: speak HTTP here")]
    NotHttp,
    /// RFC 9113, 3.4: where HTTP/2 is spoken, the TLS handshake has agreed on it before.
    #[error("HTTP/2 was not agreed on in the TLS handshake; hint: offer `h2` with ALPN")]
    Http2Preface,
    #[error("there is an empty line before the head")]
    EmptyLineFirst,
    #[error("a line ends with LF alone; hint: end lines with CR LF")]
    BareLineFeed,
    #[error("there is a CR without an LF after it")]
    BareCarriageReturn,
    #[error("the head takes more than `{bytes_max}` bytes")]
    HeadTooLarge { bytes_max: usize },
    /// Bytes were handed in that are no whole head, or more than one.
    #[error("the head does not end where its bytes end")]
    HeadNotWhole,

    // The first line.
    #[error("the request line is not `METHOD TARGET HTTP/1.1` with one space each")]
    RequestLineMalformed,
    #[error("the method is not a token")]
    MethodMalformed,
    #[error("the method takes more than `{bytes_max}` bytes")]
    MethodTooLong { bytes_max: usize },
    /// It can't tell a response that was cut from one that ended.
    #[error("HTTP/1.0 is not spoken here; hint: use HTTP/1.1 or HTTP/2")]
    Http10,
    #[error("the version is not `HTTP/1.1`")]
    VersionUnknown,
    #[error("the request target has a byte that no target has, or none of the forms that targets have")]
    TargetMalformed,
    #[error("the request target takes more than `{bytes_max}` bytes")]
    TargetTooLong { bytes_max: usize },
    #[error("the request target has a fragment; hint: leave out `#` and what follows")]
    TargetFragment,
    #[error("the request target has a user name in its authority")]
    TargetUserInfo,
    #[error("the request target `*` goes with `OPTIONS` only")]
    AsteriskNotOptions,
    #[error("`CONNECT` is not served here")]
    Connect,
    #[error("the status line is not `HTTP/1.1 STATUS REASON`")]
    StatusLineMalformed,
    #[error("the status `{status}` is not between `100` and `599`")]
    StatusOutOfRange { status: u16 },

    // Field lines.
    #[error("there are more than `{fields_max}` header fields")]
    FieldsTooMany { fields_max: usize },
    #[error("a header line has no colon")]
    ColonMissing,
    #[error("a header field has no name")]
    FieldNameEmpty,
    #[error("the name of a header field is not a token")]
    FieldNameMalformed,
    #[error("there is a space between the name of a header field and its colon")]
    SpaceBeforeColon,
    /// RFC 9112, 5.2: obsolete line folding.
    #[error("a header line starts with a space; hint: send each header field in one line")]
    Folded,
    #[error("the value of a header field has a control character")]
    FieldValueMalformed,
    /// CGI and what came after it hand `A_B` and `A-B` to the application as one name.
    #[error("a header field has `_` where a name that the gate relies on has `-`")]
    NameAmbiguous,

    // What decides for whom the message is, and where it ends.
    #[error("the `Host` field is missing or empty")]
    HostMissing,
    #[error("the `Host` field is there more than once")]
    HostDoubled,
    #[error("the `Host` field, or the authority of the target, is not `host` or `host:port`")]
    HostMalformed,
    #[error("the `Host` field differs from the authority of the request target")]
    HostDiffers,
    #[error("the `Transfer-Encoding` field is there more than once")]
    TransferEncodingDoubled,
    #[error("the `Transfer-Encoding` is not `chunked`; hint: send it exactly so, or `Content-Length`")]
    TransferEncodingNotChunked,
    /// RFC 9113, 8.2.2: it means nothing there.
    #[error("HTTP/2 has no `Transfer-Encoding`")]
    TransferEncodingInHttp2,
    /// RFC 9112, 6.1: its framing is faulty.
    #[error("HTTP/1.0 has no `Transfer-Encoding`")]
    TransferEncodingInHttp10,
    #[error("`Content-Length` and `Transfer-Encoding` are both there")]
    LengthAndTransferEncoding,
    #[error("the `Content-Length` field is there more than once")]
    ContentLengthDoubled,
    #[error("the `Content-Length` is not a number")]
    ContentLengthMalformed,
    #[error("the `Content-Length` is above 2^63")]
    ContentLengthTooLarge,
    /// RFC 9110, 8.6 and RFC 9112, 6.1.
    #[error("a response of status `{status}` announces a body, and can't have one")]
    BodyWhereNoneIs { status: u16 },
    #[error("the `Expect` field is not `100-continue`, or there more than once")]
    ExpectUnknown,
    #[error("the `Connection` field is not a list of tokens")]
    ConnectionMalformed,
    #[error("the `Connection` field names a field that decides where the message ends, or for whom it is")]
    ConnectionNamesFraming,
}

impl HeadFault {
    /// The status that says most about it (RFC 9110, 15.5 and 15.6; RFC 6585, 5). The gate itself answers
    /// 431 to what is too large, and 400 to all else.
    pub fn status(self) -> u16 {
        match self {
            Self::HeadTooLarge { .. } | Self::FieldsTooMany { .. } => 431,
            Self::TargetTooLong { .. } => 414,
            Self::ExpectUnknown => 417,
            Self::MethodTooLong { .. } | Self::Connect => 501,
            Self::Http10 | Self::VersionUnknown | Self::Http2Preface => 505,
            _ => 400,
        }
    }
}
