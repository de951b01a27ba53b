//! 200 MB through the file routes and out of a log.

use std::fs;
use std::io::Read as _;
use std::time::{Duration, Instant};

use crate::fixture::Gateway;
use crate::fixture::gateway::script;
use crate::fixture::home::Home;
use crate::fixture::http::{MULTIPART_END, MULTIPART_TYPE, multipart_head};
use crate::load::{memory_of, short};
use crate::{Bench, row};

const SIZE: u64 = 200_000_000;

pub(crate) fn run(bench: &Bench) {
    let home = Home::new();
    let ours = measure(&Gateway::start(&home), &home.prefix, bench.quick, true);
    let theirs = bench.psik_api.as_ref().map(|peer| {
        let store = home.path("theirs");
        measure(&peer.serve_api(&home, &store), &store, bench.quick, false)
    });
    for (at, (what, ours)) in ours.iter().enumerate() {
        let theirs = theirs.as_ref().and_then(|theirs| theirs.get(at)).map_or("-", |theirs| theirs.1.as_str());
        row(what, ours, theirs);
    }
}

/// Bytes that look random, quickly: a block of a xorshift sequence, again and again.
fn noise() -> Vec<u8> {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    (0..1 << 17).flat_map(|_| next().to_le_bytes()).collect()
}

fn measure(gateway: &Gateway, prefix: &std::path::Path, quick: bool, ours: bool) -> Vec<(&'static str, String)> {
    let mut client = gateway.client();
    client.timeout = Duration::from_mins(5);
    let jobid = client.create("v1", &script("x"));
    let files = format!("/v1/jobs/{jobid}/files");
    let mut figures = Vec::new();
    let speed =
        |size: u64, time: Duration| format!("{} = {:.0} MB/s", short(time), size as f64 / 1e6 / time.as_secs_f64());
    let noise = noise();
    // the original needs minutes for letters of the boundary: less of them
    let letters = if ours { SIZE } else { SIZE / if quick { 100 } else { 10 } };
    for (what, size, random) in
        [("upload, random bytes", SIZE, true), ("upload, letters of the boundary", letters, false)]
    {
        let head = multipart_head("big.bin");
        let tail = format!("\r\n{MULTIPART_END}");
        let length = head.len() as u64 + size + tail.len() as u64;
        let block = if random { noise.as_slice() } else { &[b'a'; 4096] };
        let middle = Cycle { block, at: 0 }.take(size);
        let begin = Instant::now();
        let body = head.as_bytes().chain(middle).chain(tail.as_bytes());
        let answer = client.send_stream("POST", &files, &[("content-type", MULTIPART_TYPE)], length, body);
        assert!(answer.is_ok_and(|answer| answer.status == 200), "upload failed");
        figures.push((what, speed(size, begin.elapsed())));
        let begin = Instant::now();
        let (status, bytes) = client.get_discard(&format!("{files}/big.bin")).unwrap();
        assert_eq!((status, bytes), (200, size));
        if random {
            figures.push(("download", speed(size, begin.elapsed())));
        }
    }
    figures.push(("memory, most so far", format!("{} MiB", memory_of(gateway.child.id()).1)));
    let log = prefix.join(&jobid).join("log");
    fs::create_dir_all(&log).unwrap();
    let line = b"a line of output as programs print them, by the million\n";
    fs::write(log.join("stdout.1"), line.repeat(SIZE as usize / line.len())).unwrap();
    let begin = Instant::now();
    let (status, bytes) = client.get_discard(&format!("/v1/jobs/{jobid}/logs")).unwrap();
    assert_eq!(status, 200);
    figures.push(("logs", speed(bytes, begin.elapsed())));
    figures.push(("memory, most so far", format!("{} MiB", memory_of(gateway.child.id()).1)));
    figures
}

/// A block without end.
struct Cycle<'a> {
    block: &'a [u8],
    at: usize,
}

impl std::io::Read for Cycle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let part = &self.block[self.at..];
        let size = part.len().min(buffer.len());
        buffer[..size].copy_from_slice(&part[..size]);
        self.at = (self.at + size) % self.block.len();
        Ok(size)
    }
}
