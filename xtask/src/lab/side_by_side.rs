//! Several guests at the same time: a guest keeps one processor busy, so as many as there are processors.

use std::thread;

use super::protocol::{Event, ScenarioResult};
use super::run::{Request, run};

/// What became of one guest: its results, or why it could not be set up.
pub type Outcome = anyhow::Result<Vec<ScenarioResult>>;

/// Boots one guest per request, in their order, and returns what became of each. `on_event` is told which request
/// an event belongs to, by its place.
pub fn run_side_by_side(requests: &[Request], on_event: &(dyn Fn(usize, &Event) + Sync)) -> Vec<Outcome> {
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let places: Vec<(usize, &Request)> = requests.iter().enumerate().collect();
    let mut outcomes = Vec::new();
    for together in places.chunks(at_once) {
        thread::scope(|scope| {
            let guests: Vec<_> = together
                .iter()
                .map(|(place, request)| scope.spawn(|| run(request, &mut |event| on_event(*place, event))))
                .collect();
            for guest in guests {
                outcomes.push(guest.join().expect("following a guest does not panic"));
            }
        });
    }
    outcomes
}
