//! IPVS over generic netlink: services and destinations as the kernel keeps them.
