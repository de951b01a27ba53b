//! A person with a browser, as far as logins need one: it follows redirects, keeps cookies for each host and port, and fills in
//! forms.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use url::Url;

use crate::fixture::http::{Address, Body};
use crate::fixture::{Answer, Client, Home, SOON, wait_for};

/// A server that is not ours; killed when dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pub(super) url: String,
}

impl Server {
    /// Starts a command that prints `listening on URL`.
    #[track_caller]
    pub(super) fn spawn(home: &Home, command: &mut Command) -> Self {
        let log = home.path("other-server.log");
        let file = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let mut child = command.spawn().unwrap();
        let url = wait_for("the other server to say where it listens", SOON, || {
            let text = fs::read_to_string(&log).unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{command:?} ended with {status}: {text}");
            }
            let line = text.lines().find(|line| line.starts_with("listening on http"))?;
            Some(line.trim_start_matches("listening on ").to_owned())
        });
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page that a person sees at last.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) url: String,
    pub(super) answer: Answer,
}

/// A person with a browser.
#[derive(Debug, Default)]
pub(super) struct Person {
    /// By `host:port`, then by name.
    pub(super) cookies: BTreeMap<String, BTreeMap<String, String>>,
    /// The first redirect of the last request.
    pub(super) departed: String,
}

impl Page {
    pub(super) fn text(&self) -> String {
        self.answer.text()
    }

    /// The fields of the page's forms with their values.
    pub(super) fn fields(&self) -> Vec<(String, String)> {
        let text = self.text();
        let attribute = |tag: &str, name: &str| {
            let rest = tag.split(&format!(" {name}=\"")).nth(1)?;
            Some(rest.split('"').next()?.replace("&amp;", "&"))
        };
        let tags = text.split("<input").skip(1).filter_map(|rest| rest.split('>').next());
        tags.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))).collect()
    }
}

impl Person {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Goes where the provider asks who it is, and says so.
    #[track_caller]
    pub(super) fn log_in(&mut self, name: &str, url: &str) -> Page {
        let mut page = self.get(url);
        for prompt in [&[("prompt", "login"), ("login", name), ("password", "any")] as &[_], &[("prompt", "consent")]] {
            assert!(page.url.contains("/interaction/"), "{}: {}", page.url, page.text());
            let url = page.url.clone();
            page = self.post(&url, prompt);
        }
        page
    }

    #[track_caller]
    pub(super) fn get(&mut self, url: &str) -> Page {
        self.go("GET", url, "text/html,application/json", None, "")
    }

    /// Sends the form of a page, as a person does who sees it.
    #[track_caller]
    pub(super) fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Page {
        let origin = Url::parse(url).unwrap().origin().ascii_serialization();
        self.send_form(url, fields, Some(&origin))
    }

    #[track_caller]
    pub(super) fn send_form(&mut self, url: &str, fields: &[(&str, &str)], origin: Option<&str>) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.go("POST", url, "application/x-www-form-urlencoded", origin, &body)
    }

    #[track_caller]
    pub(super) fn send_json(&mut self, url: &str, body: &str, origin: Option<&str>) -> Page {
        self.go("POST", url, "application/json", origin, body)
    }

    #[track_caller]
    fn go(&mut self, method: &str, url: &str, kind: &str, origin: Option<&str>, body: &str) -> Page {
        self.departed.clear();
        let (mut method, mut url, mut body) = (method, Url::parse(url).unwrap(), body);
        for _ in 0..12 {
            let answer = self.once(method, &url, kind, origin, body);
            let location = answer.header("location").filter(|_| (300..400).contains(&answer.status));
            let Some(location) = location else { return Page { url: url.into(), answer } };
            if self.departed.is_empty() {
                location.clone_into(&mut self.departed);
            }
            url = url.join(location).unwrap();
            (method, body) = ("GET", "");
        }
        panic!("too many redirects, at last to {url}");
    }

    #[track_caller]
    fn once(&mut self, method: &str, url: &Url, kind: &str, origin: Option<&str>, body: &str) -> Answer {
        let place = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let jar = self.cookies.entry(place.clone()).or_default();
        let cookies = jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let mut headers = vec![("accept", "text/html, */*;q=0.8"), ("cookie", cookies.as_str())];
        if method == "POST" {
            headers.push(("content-type", kind));
            headers.extend(origin.map(|origin| ("origin", origin)));
        }
        let body = if method == "POST" { Body::Bytes(body.as_bytes()) } else { Body::None };
        let answer = Client::new(Address::Tcp(place.parse().unwrap())).request(method, path, &headers, &body).unwrap();
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            let gone = value.is_empty() || cookie.to_ascii_lowercase().contains("max-age=0");
            if gone {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}
