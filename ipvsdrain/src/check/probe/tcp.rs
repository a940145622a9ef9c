//! A connection is made, and closed again.

use super::bad::Bad;
use super::door::Door;

pub(super) async fn connect(to: &Door) -> Result<(), Bad> {
    to.connect().await.map(drop)
}
