//! TLS to the database: verified, or nothing is sent.

#![expect(clippy::unwrap_used, reason = "a broken fixture should stop the test")]

use shared::{config::Config, db, testing::TestApp};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, rustls};

/// A PostgreSQL as far as the first message after the handshake; tells whether it got one.
struct Server {
    port: u16,
    ca: String,
    startup: tokio::task::JoinHandle<bool>,
}

/// `tls` is the host name in its certificate; without one it speaks no TLS.
async fn server(tls: Option<&str>) -> Server {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(vec![]).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&authority_key).unwrap().pem();
    let acceptor = tls.map(|name| {
        let key = rcgen::KeyPair::generate().unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let certificate =
            rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let startup = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 8];
        socket.read_exact(&mut request).await.unwrap();
        assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47], "an SSLRequest comes first");
        let Some(acceptor) = acceptor else {
            socket.write_all(b"N").await.unwrap();
            return socket.read(&mut request).await.is_ok_and(|length| length > 0);
        };
        socket.write_all(b"S").await.unwrap();
        match acceptor.accept(socket).await {
            Ok(mut session) => session.read(&mut request).await.is_ok_and(|length| length > 0),
            Err(_) => false,
        }
    });
    Server { port, ca, startup }
}

/// Connect, trusting `ca`; whether the server got to know who connects.
async fn got_through(server: Server, ca: &str) -> bool {
    let test = TestApp::new().await;
    let url = format!("postgresql://app:secret@localhost:{}/canvass?sslmode=require", server.port);
    let config =
        Config { database: url.parse().unwrap(), database_ca: Some(ca.as_bytes().to_vec()), ..test.config() };
    // The server goes away after the first message, at the latest.
    assert!(db::session(&config, None).await.is_err());
    server.startup.await.unwrap()
}

#[tokio::test]
async fn a_server_with_a_trusted_certificate_of_its_name_is_talked_to() {
    let server = server(Some("localhost")).await;
    let ca = server.ca.clone();
    assert!(got_through(server, &ca).await);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let (server, other) = (server(Some("localhost")).await, server(Some("localhost")).await);
    assert!(!got_through(server, &other.ca).await);
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused() {
    let server = server(Some("elsewhere.example.com")).await;
    let ca = server.ca.clone();
    assert!(!got_through(server, &ca).await);
}

#[tokio::test]
async fn a_server_without_tls_is_refused() {
    let server = server(None).await;
    let ca = server.ca.clone();
    assert!(!got_through(server, &ca).await);
}
