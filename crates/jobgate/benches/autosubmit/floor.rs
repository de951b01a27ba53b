//! The least that a server can cost on this machine: one thread that waits for a request, looks at nothing of it, and writes an answer
//! that it has ready. What is above that is a server's own; what is below it no server can reach.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::fixture::Home;
use crate::server::Server;

/// The word that makes this program that server, in front of what every server is told.
pub(crate) const WORD: &str = "floor";
/// An answer as short as that of `/`, with the fields that others send.
const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 43\r\n\
                      date: Mon, 30 Nov 2026 12:00:00 GMT\r\n\r\n{\"name\":\"Autosubmit API\",\"version\":\"4.2.0\"}";

/// That server, in a process of its own.
pub(crate) fn start(home: &Home, data: &Path) -> Server {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(WORD);
    Server::start(home, data, command, WORD)
}

/// Answers one connection after the other, until it is killed.
pub(crate) fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    let mut request = [0; 4096];
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        stream.set_nodelay(true).unwrap();
        // the client sends a request at once, and the next only when it is answered
        while stream.read(&mut request).is_ok_and(|read| read > 0) && stream.write_all(ANSWER.as_bytes()).is_ok() {}
    }
}
