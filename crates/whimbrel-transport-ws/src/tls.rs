use crate::address::Address;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::sync::Arc;
use tracing::warn;
use whimbrel_transport::TransportError;

/// Reads certificates out of PEM, or takes the bytes as one certificate in DER.
pub(crate) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let is_pem = bytes.windows(11).any(|window| window == b"-----BEGIN ");
    let found = if is_pem {
        CertificateDer::pem_slice_iter(bytes)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?
    } else {
        vec![CertificateDer::from(bytes.to_vec())]
    };
    if found.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    let mut trial = RootCertStore::empty();
    for certificate in &found {
        trial
            .add(certificate.clone())
            .map_err(|error| error.to_string())?;
    }
    Ok(found)
}

/// Builds the TLS settings: the system's roots and `extra`. It reads files, so it blocks.
pub(crate) fn config(
    address: &Address,
    extra: Vec<CertificateDer<'static>>,
) -> Result<ClientConfig, TransportError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    if !system.errors.is_empty() {
        warn!(errors = ?system.errors, "some of the system's root certificates could not be read");
    }
    roots.add_parsable_certificates(system.certs);
    roots.add_parsable_certificates(extra);
    if roots.is_empty() {
        return Err(address.unreachable("this system has no root certificates, so no server can be trusted"));
    }
    // The provider is named, because an app may link two and then the process has no default.
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| address.unreachable(format!("TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A WebSocket upgrade is HTTP/1.1: a proxy in front must not settle on HTTP/2.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
