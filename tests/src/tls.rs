//! A door that speaks TLS in front of a server that does not, with an authority of its own.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A relay from TLS to plain TCP. Ends with this value.
pub struct TlsDoor {
    /// Where it listens, `https://...`.
    pub url: String,
    /// The authority's certificate, as a file for `SSL_CERT_FILE`.
    pub authority: PathBuf,
    _folder: TempDir,
    relay: JoinHandle<()>,
}

impl TlsDoor {
    /// Opens one in front of `address`.
    ///
    /// # Panics
    /// Where a certificate cannot be made.
    pub async fn open(address: std::net::SocketAddr) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let authority_cert = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let cert = own.signed_by(&key, &issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authority.pem");
        std::fs::write(&file, authority_cert.pem()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![cert.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let relay = tokio::spawn(relay(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            address,
        ));
        Self {
            url,
            authority: file,
            _folder: folder,
            relay,
        }
    }
}

impl Drop for TlsDoor {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

async fn relay(listener: TcpListener, tls: TlsAcceptor, address: std::net::SocketAddr) {
    while let Ok((caller, _)) = listener.accept().await {
        let tls = tls.clone();
        tokio::spawn(async move {
            // Who does not trust the certificate hangs up here.
            let mut caller = tls.accept(caller).await?;
            let mut server = TcpStream::connect(address).await?;
            tokio::io::copy_bidirectional(&mut caller, &mut server).await
        });
    }
}
