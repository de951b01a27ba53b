//! Encrypted connections to PostgreSQL, as the connection's URL asks for them.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, client};

/// How a connection is encrypted.
#[derive(Clone)]
pub(super) struct Encryption(Arc<ClientConfig>);

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encryption")
    }
}

/// Takes what a URL says of encryption out of it (`sslmode` and `sslrootcert`, as libpq has them), and what that means.
///
/// Without `sslmode`, or where it need not be, nothing is encrypted. Where it must be, the server has to prove by its certificate that it
/// is the one that the URL names: libpq's `require` and `verify-ca` ask for less, but then anybody on the way could be it.
pub(super) fn asked(url: &str) -> Result<(String, Option<Encryption>), String> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut authority, mut others) = ("prefer", None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = value,
            Some(("sslrootcert", value)) => authority = Some(value),
            _ => others.push(pair),
        }
    }
    let rest = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
    match (mode, authority) {
        ("disable" | "allow" | "prefer", _) => Ok((rest, None)),
        ("require" | "verify-ca" | "verify-full", Some(path)) => {
            let others = if others.is_empty() { "?" } else { "&" };
            Ok((format!("{rest}{others}sslmode=require"), Some(Encryption::trusting(path)?)))
        }
        ("require" | "verify-ca" | "verify-full", None) => Err(format!(
            "sslmode={mode} in database.connection_url needs the authority whose certificate the server has: sslrootcert=FILE"
        )),
        _ => Err("sslmode in database.connection_url is none of disable, prefer, require, verify-full".to_owned()),
    }
}

impl Encryption {
    fn trusting(path: &str) -> Result<Self, String> {
        let wrong = |why: &dyn fmt::Display| format!("sslrootcert={path}: {why}");
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
        if roots.is_empty() {
            return Err(wrong(&"there is no certificate in it"));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&error))?;
        Ok(Self(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Encryption {
    type Stream = Encrypted<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(Handshake { connector: Arc::clone(&self.0).into(), name })
    }
}

/// A handshake that is to come.
pub(super) struct Handshake {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(
            async move { self.connector.connect(self.name, stream).await.map(|stream| Encrypted(Box::new(stream))) },
        )
    }
}

/// An encrypted connection.
pub(super) struct Encrypted<S>(Box<client::TlsStream<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(context, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_asks_for() {
        let plain = |url: &str| asked(url).map(|(rest, encryption)| (rest, encryption.is_some()));
        assert_eq!(plain("postgresql://u@h/d"), Ok(("postgresql://u@h/d".into(), false)));
        let prefer = plain("postgresql://u@h/d?sslmode=prefer&host=/run&sslrootcert=x");
        assert_eq!(prefer, Ok(("postgresql://u@h/d?host=/run".into(), false)));
        for mode in ["require", "verify-ca", "verify-full"] {
            let why = plain(&format!("postgresql://u:word@h/d?sslmode={mode}")).unwrap_err();
            assert!(why.contains("sslrootcert=FILE") && !why.contains("word"), "{why}");
            let why = plain(&format!("postgresql://h/d?sslmode={mode}&sslrootcert=/no/such/file")).unwrap_err();
            assert!(why.contains("/no/such/file"), "{why}");
        }
        assert!(plain("postgresql://h/d?sslmode=sometimes").unwrap_err().contains("none of"));
    }
}
