//! Messages on the socket: four bytes of length, most significant first, and as many of JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use portcullis_network::order::MESSAGE_BYTES_MAX;

/// From so many bytes on a message is read on a thread of its own: a plan of thousands of vendors holds no cut up.
const BIG_BYTES: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the socket failed")]
    Socket(#[from] std::io::Error),
    #[error("a message of {0} bytes is longer than {MESSAGE_BYTES_MAX}")]
    Long(u64),
    #[error("a message can't be read")]
    Json(#[from] serde_json::Error),
}

/// The next message; none where the other side has closed between two.
pub(crate) async fn read<T: DeserializeOwned + Send + 'static>(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<Option<T>, FrameError> {
    let mut length = [0; 4];
    match from.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let length = u32::from_be_bytes(length);
    if length > MESSAGE_BYTES_MAX {
        return Err(FrameError::Long(length.into()));
    }
    // As it comes, so that a length alone takes no memory.
    let mut bytes = Vec::new();
    let read = from.take(length.into()).read_to_end(&mut bytes).await?;
    if read < length as usize {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    if bytes.len() < BIG_BYTES {
        return Ok(Some(serde_json::from_slice(&bytes)?));
    }
    let parsing = tokio::task::spawn_blocking(move || serde_json::from_slice(&bytes));
    let parsed = parsing.await.map_err(std::io::Error::other)?;
    Ok(Some(parsed?))
}

pub(crate) async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    message: &impl Serialize,
) -> Result<(), FrameError> {
    let bytes = serde_json::to_vec(message)?;
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= MESSAGE_BYTES_MAX);
    let length = length.ok_or(FrameError::Long(bytes.len() as u64))?;
    to.write_all(&length.to_be_bytes()).await?;
    to.write_all(&bytes).await?;
    to.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use portcullis_network::order::ToEnforcer;

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_and_what_is_torn_is_refused() {
        let message = ToEnforcer::Measure { order: 7 };
        let mut bytes = Vec::new();
        write(&mut bytes, &message).await.unwrap();
        assert_eq!(read::<ToEnforcer>(&mut &*bytes).await.unwrap(), Some(message));
        assert_eq!(read::<ToEnforcer>(&mut &[][..]).await.unwrap(), None);
        for torn in 4..bytes.len() {
            assert!(read::<ToEnforcer>(&mut &bytes[..torn]).await.is_err(), "{torn}");
        }
        let long = (MESSAGE_BYTES_MAX + 1).to_be_bytes();
        assert!(matches!(read::<ToEnforcer>(&mut &long[..]).await, Err(FrameError::Long(_))));
        let junk = [0, 0, 0, 2, b'{', b'x'];
        assert!(matches!(read::<ToEnforcer>(&mut &junk[..]).await, Err(FrameError::Json(_))));
    }
}
