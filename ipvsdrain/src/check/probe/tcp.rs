//! A connection is made, and closed again.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::bad::Bad;

pub(super) async fn connect(to: SocketAddr) -> Result<TcpStream, Bad> {
    Ok(TcpStream::connect(to).await?)
}
