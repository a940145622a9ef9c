//! Everything a developer runs: `cargo xtask ebpf | lab | demo | test`.

fn main() {}
