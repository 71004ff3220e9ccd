//! HTTPS with Amazon's roots as the only ones that are trusted.

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{sync::Arc, time::Duration};

/// The longest that all addresses of a name together may take to connect to. An endpoint has one in each zone: where a zone
/// is gone, the next address is tried within the same try.
const CONNECT: Duration = Duration::from_secs(1);

/// An HTTP client.
pub type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client for the AWS APIs. Plain HTTP works too, for an endpoint that was named so.
#[must_use]
pub fn https(tls: ClientConfig) -> Https {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT));
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    Client::builder(TokioExecutor::new()).build(connector.wrap_connector(tcp))
}

/// TLS that trusts the certificates in `pem`, or Amazon's roots, and checks the host's name.
///
/// # Errors
/// When `pem` has no certificates, or malformed ones.
pub fn roots(pem: Option<&[u8]>) -> Result<ClientConfig, rustls::Error> {
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.unwrap_or(include_bytes!("roots.pem"))) {
        trusted.add(certificate.map_err(|e| rustls::Error::General(e.to_string()))?)?;
    }
    if trusted.is_empty() {
        return Err(rustls::Error::General("there is no certificate to trust".to_owned()));
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_roots_are_all_readable() {
        let certificates = CertificateDer::pem_slice_iter(include_bytes!("roots.pem"));
        assert!(certificates.filter_map(Result::ok).count() > 80);
        assert!(roots(None).is_ok());
    }

    #[test]
    fn no_certificate_is_no_trust() {
        assert!(roots(Some(b"")).is_err());
    }
}
