//! What must be true of the committed files, as far as text can tell.

mod alerts;
mod metrics;
mod panels;
