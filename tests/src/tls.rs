//! Certificates of an authority of one's own, and a door that speaks TLS in front of a server that does not.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use crate::database_server::give_to_owner;
use crate::small_disk::open_to_all;

/// An authority that vouches for servers at 127.0.0.1.
pub struct Authority {
    /// Its certificate, as a file for `SSL_CERT_FILE` and `sslrootcert`.
    pub file: PathBuf,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    _folder: TempDir,
}

impl Authority {
    /// One that nobody else trusts.
    ///
    /// # Panics
    /// Where its certificate cannot be made.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Those of the same name would be taken for one whose signature is wrong.
        let name = format!("authority {}", Uuid::new_v4().simple());
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authority.pem");
        std::fs::write(&file, certificate.pem()).unwrap();
        Self {
            file,
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            _folder: folder,
        }
    }

    /// A certificate for 127.0.0.1 and its key, as PEM.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn issue(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: (certificate.der().clone(), key.serialize_der()),
        }
    }

    /// TLS of a client that believes this authority alone.
    ///
    /// # Panics
    /// Never: the certificate is right.
    pub fn client(&self) -> ClientConfig {
        self.client_of(rustls::DEFAULT_VERSIONS)
    }

    /// The same of certain versions of TLS.
    ///
    /// # Panics
    /// Never: the certificate is right.
    pub fn client_of(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

/// Who a server is.
pub struct Identity {
    /// Its certificate as PEM.
    pub certificate: String,
    /// Its key as PEM.
    pub key: String,
    der: (CertificateDer<'static>, Vec<u8>),
}

impl Identity {
    /// Writes `server.crt` and `server.key` into a folder, the key for its owner alone.
    ///
    /// # Panics
    /// Where that is not possible.
    pub fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
        std::fs::write(&certificate, &self.certificate).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        (certificate, key)
    }

    /// The same into a folder of a database server's owner, which is gone with the first of these.
    ///
    /// # Panics
    /// Where that is not possible.
    pub fn write_for_database(&self) -> (TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path());
        let (certificate, key) = self.write(folder.path());
        give_to_owner(folder.path());
        (folder, certificate, key)
    }

    fn server(self) -> ServerConfig {
        let (certificate, key) = self.der;
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key.into()))
            .unwrap()
    }
}

/// A relay from TLS to plain TCP. Ends with this value.
pub struct TlsDoor {
    /// Where it listens.
    pub address: SocketAddr,
    /// The same as `https://...`.
    pub url: String,
    /// Who vouches for it.
    pub authority: Authority,
    callers: Arc<Callers>,
    relay: JoinHandle<()>,
}

#[derive(Default)]
struct Callers {
    entered: AtomicUsize,
    turned_away: AtomicUsize,
}

impl TlsDoor {
    /// Opens one in front of `address`.
    ///
    /// # Panics
    /// Where a certificate cannot be made.
    pub async fn open(address: SocketAddr) -> Self {
        let authority = Authority::new();
        let tls = TlsAcceptor::from(Arc::new(authority.issue().server()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap();
        let callers = Arc::<Callers>::default();
        Self {
            address: own,
            url: format!("https://{own}"),
            authority,
            relay: tokio::spawn(relay(listener, tls, address, callers.clone())),
            callers,
        }
    }

    /// How many have come in. Before that nobody can have said anything: what they say is encrypted once both
    /// sides are agreed.
    pub fn entered(&self) -> usize {
        self.callers.entered.load(Ordering::SeqCst)
    }

    /// How many have turned away at the door, whoever they are.
    pub fn turned_away(&self) -> usize {
        self.callers.turned_away.load(Ordering::SeqCst)
    }
}

impl Drop for TlsDoor {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

async fn relay(listener: TcpListener, tls: TlsAcceptor, to: SocketAddr, callers: Arc<Callers>) {
    while let Ok((caller, _)) = listener.accept().await {
        let (tls, callers) = (tls.clone(), callers.clone());
        tokio::spawn(async move {
            // Who does not trust the certificate hangs up here.
            let Ok(mut caller) = tls.accept(caller).await else {
                callers.turned_away.fetch_add(1, Ordering::SeqCst);
                return;
            };
            callers.entered.fetch_add(1, Ordering::SeqCst);
            if let Ok(mut server) = TcpStream::connect(to).await {
                let _ = tokio::io::copy_bidirectional(&mut caller, &mut server).await;
            }
        });
    }
}
