//! Another server on this machine, which answers as a test wants: an identity provider, or what pretends to be one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A field of the form that was posted.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.body.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into())
    }
}

type Answering = dyn Fn(&Asked) -> (u16, String) + Send + Sync;

/// Serves for as long as the process lives.
#[derive(Clone)]
pub(crate) struct Elsewhere {
    pub(crate) url: String,
    answering: Arc<Mutex<Arc<Answering>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Elsewhere {
    pub(crate) fn start(answering: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let elsewhere = Self { url, answering: Arc::new(Mutex::new(Arc::new(answering))), asked: Arc::default() };
        let server = elsewhere.clone();
        std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || server.converse(&stream));
            }
        });
        elsewhere
    }

    /// From now on it answers like this.
    pub(crate) fn answer(&self, answering: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) {
        *self.answering.lock().unwrap() = Arc::new(answering);
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn converse(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let mut headers = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                let Some((key, value)) = line.trim_end().split_once(':') else { break };
                headers.push((key.to_ascii_lowercase(), value.trim().to_owned()));
            }
            let length = headers.iter().find(|(key, _)| key == "content-length").map_or("0", |(_, value)| value);
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body).ok()?;
            let asked =
                Asked { line: line.trim_end().to_owned(), headers, body: String::from_utf8_lossy(&body).into_owned() };
            self.asked.lock().unwrap().push(asked.clone());
            let answering = self.answering.lock().unwrap().clone();
            let (status, text) = answering(&asked);
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                text.len()
            );
            (&mut &*stream).write_all(format!("{head}{text}").as_bytes()).ok()?;
        }
    }
}

/// A key that signs tokens.
pub(crate) enum Signer {
    Hmac(Vec<u8>),
    Rsa(RsaPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn rsa() -> Self {
        Self::Rsa(RsaPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub(crate) fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn p384() -> Self {
        Self::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    /// The public key as one of a JWKS.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let point = |pair: &EcdsaKeyPair, curve: &str| {
            let point = &pair.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            json!({"kty": "EC", "crv": curve, "x": BASE64.encode(x), "y": BASE64.encode(y)})
        };
        let mut jwk = match self {
            Self::Hmac(secret) => json!({"kty": "oct", "k": BASE64.encode(secret)}),
            Self::Rsa(pair) => {
                let public: &rsa::PublicKey = pair.public_key();
                let number = |bytes: &[u8]| BASE64.encode(bytes);
                json!({"kty": "RSA", "n": number(public.modulus().big_endian_without_leading_zero()),
                       "e": number(public.exponent().big_endian_without_leading_zero())})
            }
            Self::P256(pair) => point(pair, "P-256"),
            Self::P384(pair) => point(pair, "P-384"),
            Self::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(pair.public_key())}),
        };
        jwk["kid"] = kid.into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// A token with exactly this header; its `alg` only chooses between the padding schemes of RSA.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let (message, random) = (text.as_bytes(), SystemRandom::new());
        let signature = match self {
            Self::Hmac(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let scheme: &dyn aws_lc_rs::signature::RsaEncoding = match header["alg"].as_str() {
                    Some("PS256") => &RSA_PSS_SHA256,
                    Some("RS512") => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                pair.sign(scheme, &random, message, &mut signature).unwrap();
                signature
            }
            Self::P256(pair) | Self::P384(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        };
        format!("{text}.{}", BASE64.encode(signature))
    }
}
