//! From a TCP connection to a TLS one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Credentials, Presented};

/// The first byte of every TLS connection: the type of a handshake record.
const HANDSHAKE: u8 = 22;
/// Whoever speaks HTTP without TLS is told so.
const ADVICE: &str = "this port speaks HTTPS: use https:// in the address\n";
/// For so long, and so many bytes, we listen to a client whom we have refused: closing at once would take back what we said.
const PATIENCE: Duration = Duration::from_secs(1);
const BYTES: u64 = 256 << 10;

/// A connection that is ready for HTTP.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) presented: Option<Presented>,
}

/// Makes a TLS connection; `None`: there is none to be had from this client. Takes as long as the client likes.
pub(crate) async fn shake_hands(stream: TcpStream, credentials: &Arc<Credentials>) -> Option<Handshake> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1) if first[0] == HANDSHAKE => {}
        Ok(1) if first[0].is_ascii_alphabetic() => {
            advise(stream).await;
            return None;
        }
        // gone, or noise
        _ => return None,
    }
    // before the configuration: what changes in between is looked at again
    let generation = credentials.generation.load(Ordering::Acquire);
    let config = Arc::clone(&credentials.current().config);
    match TlsAcceptor::from(config).accept(stream).into_fallible().await {
        Ok(stream) => {
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
            let presented = Presented::new(chain, Arc::clone(credentials), generation);
            Some(Handshake { stream, presented })
        }
        Err((error, stream)) => {
            tell(&stream, &error);
            see_off(stream).await;
            None
        }
    }
}

/// Clients' certificates that are refused are something that people ask about; the rest is noise.
fn tell(stream: &TcpStream, error: &std::io::Error) {
    let peer = stream.peer_addr().ok();
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if matches!(cause, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)) {
        tracing::info!(?peer, %error, "a client's certificate is refused");
    } else {
        tracing::debug!(?peer, %error, "a TLS handshake failed");
    }
}

async fn advise(mut stream: TcpStream) {
    let length = ADVICE.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{ADVICE}"
    );
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        see_off(stream).await;
    }
}

async fn see_off(mut stream: TcpStream) {
    let rest = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(BYTES), &mut tokio::io::sink()).await
    };
    drop(tokio::time::timeout(PATIENCE, rest).await);
}
