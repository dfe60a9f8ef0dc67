//! P4: connections that are logged in and subscribed, with nothing going on, and coming back to nothing new.
//!
//! The references are a server that only holds connections, and plain HTTP requests to the same server, each on a
//! connection of its own; bytes are compared with their goal.

use crate::crowd::{Ask, Met};
use crate::figure::{Figure, Plan, Result};
use crate::helper::{Helper, Parent, Role};
use crate::herd::World;
use crate::rounds::{Compared, median};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Kilobytes that a connection may take.
const MEMORY: f64 = 6.0;
/// Milliseconds of processor time that coming back may take.
const BUSY: f64 = 0.3;
/// Bytes of frames that coming back may take, both ways.
const BYTES: f64 = 400.0;

pub(crate) fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut columns: [Vec<Figure>; 3] = Default::default();
        for size in plan.choose([1_000, 3_000, 8_000], [100, 300, 800]) {
            for (column, figure) in columns.iter_mut().zip(at(size, plan).await?) {
                column.push(figure);
            }
        }
        Ok(columns.into_iter().flatten().collect())
    })
}

async fn at(size: u64, plan: &Plan) -> Result<[Figure; 3]> {
    let mut world = World::make(plan, size).await?;
    let server = world.place.start().await?;
    let mut crowd = Helper::start(&Role::Crowd(world.place.listen))?;
    // What a server has whoever comes: connections to its database, and its code.
    crowd.ask::<Met>(&Ask::Grow(size / 20)).await?;
    let before = server.usage()?.memory;
    let met: Met = crowd.ask(&Ask::Grow(size)).await?;
    let connections = (size - size / 20) as f64;
    let memory = (server.usage()?.memory - before) / connections / 1e3;
    let (mut busy, mut plain, mut counts) = (Vec::new(), Vec::new(), met.counts);
    let mut bytes = 0.0;
    for _ in 0..plan.choose(5, 2) {
        crowd.ask::<Met>(&Ask::Leave).await?;
        plain.push(requests(world.place.listen, size, &server).await?);
        let begin = server.usage()?.busy;
        let back = Ask::Return {
            at_once: false,
            seq: world.seq,
        };
        let met: Met = crowd.ask(&back).await?;
        busy.push((server.usage()?.busy - begin) * 1e3 / size as f64);
        bytes = (met.counts.bytes - counts.bytes) as f64 / size as f64;
        counts = met.counts;
    }
    crowd.end().await?;
    server.end().await?;
    let held = held(size).await?;
    let figure = |name, value: f64, reference: f64, unit| {
        let ratio = value / reference;
        Figure::new(
            "P4",
            name,
            size,
            unit,
            Compared {
                value,
                reference,
                ratio,
            },
        )
    };
    let busy_now = median(busy);
    Ok([
        figure("idle", memory, held, "KB a connection").goal("≤ 6 KB", memory <= MEMORY),
        figure("resume", busy_now, median(plain), "ms of the server").goal("≤ 0.3 ms", busy_now <= BUSY),
        figure("resume bytes", bytes, BYTES, "bytes of frames").goal("≤ 400 bytes", bytes <= BYTES),
    ])
}

/// Returns the milliseconds of processor time that a server takes for a plain request on a connection of its own.
async fn requests(server: SocketAddr, count: u64, helper: &Helper) -> Result<f64> {
    const WORKERS: u64 = 16;
    let before = helper.usage()?.busy;
    let mut tasks = JoinSet::new();
    for _ in 0..WORKERS {
        tasks.spawn(async move {
            for _ in 0..count / WORKERS {
                let mut stream = TcpStream::connect(server).await?;
                let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
                stream.write_all(request).await?;
                stream.read_to_end(&mut Vec::new()).await?;
            }
            std::io::Result::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let asked = (count / WORKERS * WORKERS) as f64;
    Ok((helper.usage()?.busy - before) * 1e3 / asked)
}

/// Returns the kilobytes that a connection takes of a server that only holds it.
async fn held(count: u64) -> Result<f64> {
    let mut holder = Helper::start(&Role::Holder)?;
    let address: SocketAddr = holder.answer().await?;
    let before = holder.usage()?.memory;
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(TcpStream::connect(address).await?);
    }
    while holder.ask::<u64>(&()).await? < count {
        tokio::task::yield_now().await;
    }
    let grown = holder.usage()?.memory - before;
    holder.end().await?;
    Ok(grown / count as f64 / 1e3)
}

/// Accepts connections and holds each in a task of its own. Tells how many there are when it is asked.
pub(crate) async fn hold(mut parent: Parent) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    parent.tell(&listener.local_addr()?)?;
    let mut held = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (mut stream, _) = accepted?;
                held.spawn(async move { stream.read_u8().await });
            }
            question = parent.question::<()>() => match question? {
                Some(()) => parent.tell(&held.len())?,
                None => return Ok(()),
            },
        }
    }
}
