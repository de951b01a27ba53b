//! The effective configuration as our own file.

use std::fmt::Write;
use std::path::Path;

use jobgate_server::Mode;

use super::outgoing::targets_name;
use super::units::{show_duration, show_size};
use super::{Config, LogFormat};

impl Config {
    /// The configuration as TOML that reads back as the same.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        let mut line = |args: std::fmt::Arguments<'_>| {
            text.write_fmt(args).expect("invariant: a String takes everything");
            text.push('\n');
        };
        line(format_args!("state_dir = {}", path(&self.state_dir)));
        line(format_args!("psik = {}", quoted(self.psik.as_str())));
        line(format_args!("poll_interval = {}", quoted(&show_duration(self.poll_interval))));

        let server = &self.server;
        line(format_args!("\n[server]"));
        line(format_args!("listen = {}", list(server.listen.iter().map(|text| quoted(text)))));
        line(format_args!("uds = {}", list(server.uds.iter().map(|socket| path(socket)))));
        let authz = match server.mode {
            Mode::Local => "local",
            Mode::Insecure => "insecure",
            Mode::Tokens => "tokens",
            // which no file can say
            Mode::Autosubmit => "autosubmit",
        };
        line(format_args!("authz = {}", quoted(authz)));
        line(format_args!("hosts = {}", list(server.hosts.iter().map(|text| quoted(text)))));
        let origins = server.cors_origins.iter().map(|origin| quoted(&origin.to_string()));
        line(format_args!("cors_origins = {}", list(origins)));
        let log_format = match server.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        line(format_args!("log_format = {}", quoted(log_format)));

        let limits = &server.limits;
        line(format_args!("\n[server.limits]"));
        line(format_args!("json_body = {}", quoted(&show_size(limits.json_body as u64))));
        line(format_args!("upload = {}", quoted(&show_size(limits.upload.unwrap_or(0)))));
        line(format_args!("connections = {}", limits.connections));
        line(format_args!("header_timeout = {}", quoted(&show_duration(limits.header_timeout))));
        line(format_args!("stall_timeout = {}", quoted(&show_duration(limits.stall_timeout))));
        line(format_args!("body_timeout = {}", quoted(&show_duration(limits.body_timeout))));
        line(format_args!("drain = {}", quoted(&show_duration(limits.drain))));
        line(format_args!("listing_cache = {}", quoted(&show_size(limits.listing_cache as u64))));

        let callbacks = &self.callbacks;
        line(format_args!("\n[callbacks]"));
        let schedule = list(callbacks.schedule.iter().map(|wait| quoted(&show_duration(*wait))));
        line(format_args!("schedule = {schedule}"));
        line(format_args!("expire_after = {}", quoted(&show_duration(callbacks.expire_after))));
        line(format_args!("timeout = {}", quoted(&show_duration(callbacks.timeout))));
        line(format_args!("per_target = {}", callbacks.per_target));
        line(format_args!("targets = {}", quoted(targets_name(callbacks.targets))));
        if let Some(identity) = &callbacks.identity {
            line(format_args!("client_certificate = {}", path(&identity.certificate)));
            line(format_args!("client_key = {}", path(&identity.key)));
        }
        if let Some(roots) = &callbacks.roots {
            line(format_args!("ca = {}", path(roots)));
        }

        line(format_args!("{}", self.local.render().trim_end()));

        for place in &self.places {
            let backend = &place.backend;
            line(format_args!("\n[backends.{}]", quoted(&place.name)));
            line(format_args!("type = {}", quoted(&backend.kind)));
            line(format_args!("prefix = {}", path(&place.prefix)));
            for (key, value) in [
                ("cluster", &place.cluster),
                ("queue_name", &backend.queue_name),
                ("project_name", &backend.project_name),
                ("reservation_id", &backend.reservation_id),
            ] {
                if let Some(value) = value {
                    line(format_args!("{key} = {}", quoted(value)));
                }
            }
            if !backend.attributes.is_empty() {
                let pairs =
                    backend.attributes.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value)));
                line(format_args!("attributes = {{ {} }}", pairs.collect::<Vec<_>>().join(", ")));
            }
        }
        super::listener::render(&self.server.listeners, &mut text);
        self.auth.render(&mut text);
        self.quota.render(&mut text);
        self.audit.render(&mut text);
        self.slurm.render(&mut text);
        self.autosubmit.render(&mut text);
        text
    }
}

pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

pub(super) fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// A TOML basic string: JSON's escapes are a part of TOML's, except for DEL, which TOML wants escaped.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
