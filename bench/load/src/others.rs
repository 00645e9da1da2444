//! What the gate is compared with, each set up as its own documentation would for speed.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use crate::keys::{Key, now_seconds};
use crate::stand::{Folder, Running, free_address};

/// HAProxy with one thread: TLS only; with a JWT verified and a rate kept; and asking for certificates.
pub struct Haproxy {
    pub running: Running,
    pub plain: SocketAddr,
    pub jwt: SocketAddr,
    pub asking: SocketAddr,
    /// A token that it takes.
    pub token: String,
}

impl Haproxy {
    pub fn start(
        folder: &Folder,
        core: usize,
        upstream: SocketAddr,
        client_certificates: &str,
    ) -> Result<Self> {
        let (plain, jwt, asking) = (free_address()?, free_address()?, free_address()?);
        let key = rcgen::KeyPair::generate()?;
        let public = folder.write("jwt.pub.pem", &key.public_key_pem())?;
        let authorities = folder.write("clients.pem", client_certificates)?;
        let certificate = folder.path().join("server.pem");
        let (public, authorities, certificate) =
            (public.display(), authorities.display(), certificate.display());
        let text = format!(
            r#"global
    nbthread 1
    maxconn 16000
    # It would want two descriptors for each; idle connections have one.
    no strict-limits
    ssl-default-bind-options ssl-min-ver TLSv1.3

defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s

frontend plain
    bind {plain} ssl crt {certificate} alpn h2,http/1.1
    default_backend service

frontend asking
    bind {asking} ssl crt {certificate} alpn h2,http/1.1 ca-file {authorities} verify optional crt-ignore-err all ca-ignore-err all
    default_backend service

frontend jwt
    bind {jwt} ssl crt {certificate} alpn h2,http/1.1
    stick-table type string len 64 size 100k expire 60s store http_req_rate(10s)
    http-request deny deny_status 401 unless {{ http_auth_bearer,jwt_header_query('$.alg') -m str ES256 }}
    http-request deny deny_status 401 unless {{ http_auth_bearer,jwt_verify("ES256","{public}") -m int 1 }}
    http-request track-sc0 http_auth_bearer,jwt_payload_query('$.sub')
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 2000000000 }}
    default_backend service

backend service
    server one {upstream}
"#
        );
        let file = folder.write("haproxy.cfg", &text)?;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(file);
        let mut running = Running::start(command, core, folder.path().join("haproxy.log"))?;
        for address in [plain, jwt, asking] {
            running.wait_until_listening(address)?;
        }
        let key = Key::from_der(key.serialized_der())?;
        Ok(Self { running, plain, jwt, asking, token: token(&key)? })
    }
}

/// A token as an authorization server would give it, about as long as the gate's.
fn token(key: &Key) -> Result<String> {
    debug_assert_eq!(key.name(), "ES256");
    let now = now_seconds();
    let claims = json!({
        "iss": "https://issuer.example", "aud": "https://gate.example", "sub": "certificate-0",
        "client_id": "certificate-0", "scope": "parcels.read", "iat": now, "exp": now + 86_400,
        "jti": crate::keys::unique(),
    });
    key.jws(&json!({ "alg": "ES256", "typ": "at+jwt", "kid": "1" }), claims.to_string().as_bytes())
}

/// nginx with one worker, and a rate kept for each address.
pub struct Nginx {
    pub running: Running,
    pub address: SocketAddr,
}

impl Nginx {
    pub fn start(folder: &Folder, core: usize, upstream: SocketAddr) -> Result<Self> {
        let address = free_address()?;
        let here = folder.path().display();
        let text = format!(
            "daemon off;\nmaster_process off;\nworker_processes 1;\nworker_rlimit_nofile 20000;\n\
             error_log {here}/nginx-error.log;\npid {here}/nginx.pid;\n\
             events {{ worker_connections 16000; }}\n\
             http {{\n  access_log off;\n  server_tokens off;\n\
             \x20 client_body_temp_path {here}/nginx-body;\n  proxy_temp_path {here}/nginx-proxy;\n\
             \x20 fastcgi_temp_path {here}/nginx-fastcgi;\n  uwsgi_temp_path {here}/nginx-uwsgi;\n  scgi_temp_path {here}/nginx-scgi;\n\
             \x20 limit_req_zone $binary_remote_addr zone=rate:10m rate=1000000r/s;\n\
             \x20 keepalive_requests 1000000000;\n  keepalive_timeout 300s;\n\
             \x20 proxy_buffers 16 64k;\n  proxy_max_temp_file_size 0;\n\
             \x20 upstream service {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; }}\n\
             \x20 server {{\n    listen {address} ssl http2;\n    ssl_certificate {here}/server.crt;\n    ssl_certificate_key {here}/server.key;\n\
             \x20   ssl_protocols TLSv1.3;\n\
             \x20   location / {{\n      limit_req zone=rate burst=100000 nodelay;\n      proxy_pass http://service;\n\
             \x20     proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
        );
        let file = folder.write("nginx.conf", &text)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(file).arg("-p").arg(folder.path());
        let mut running = Running::start(command, core, folder.path().join("nginx.log"))?;
        running.wait_until_listening(address)?;
        Ok(Self { running, address })
    }
}
