//! The grammar of what concerns TLS: files to serve with, and making them.

use std::path::PathBuf;

use clap::{Args, Subcommand, value_parser};

/// TLS on the TCP addresses of `--listen` (or of `server.listen`).
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct Tls {
    /// Serve HTTPS with this certificate (PEM, with the intermediate ones after it).
    #[arg(long = "tls-cert", value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key, which nobody else may be able to read.
    #[arg(long = "tls-key", value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
    /// Clients must have a certificate of one of these authorities (a PEM file, or a directory of such files).
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca: Option<PathBuf>,
    /// Serve as `certified serve` does, with what `certified init` made here: id.crt, id.key and known_clients.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["certificate", "key"])]
    pub(crate) certified: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Certs {
    #[command(subcommand)]
    pub(crate) action: Action,
    /// Where they are kept; default: certs beside the configuration file of the user.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Make an authority that is valid for ten years.
    Init {
        /// What it is called.
        #[arg(long, default_value = "Jobgate authority")]
        name: String,
        /// For so many days it is valid.
        #[arg(long, default_value_t = 3652, value_parser = value_parser!(u32).range(1..=7305))]
        days: u32,
    },
    /// Make a certificate for a user, who is known by this name from then on.
    AddClient {
        /// The user's name.
        name: String,
        /// An e-mail address for the certificate.
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// For so many days it is valid.
        #[arg(long, default_value_t = 365, value_parser = value_parser!(u32).range(1..=3652))]
        days: u32,
    },
    /// Make a certificate for a server.
    AddServer {
        /// The names and addresses by which clients call it; its files are named for the first.
        #[arg(required = true, value_name = "HOST")]
        hosts: Vec<String>,
        /// For so many days it is valid.
        #[arg(long, default_value_t = 365, value_parser = value_parser!(u32).range(1..=3652))]
        days: u32,
    },
    /// List the certificates, and when they end.
    Show,
}
