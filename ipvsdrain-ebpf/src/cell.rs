//! A 64-bit number that several CPUs change at once.
//!
//! On the host this is [`core::sync::atomic::AtomicU64`]. The bpf target of rustc hides those methods (it declares
//! no compare-and-swap, true for the oldest instruction sets only), so there the same operations come from the
//! compiler's intrinsics; with `target-cpu=v3` LLVM turns each into one instruction.

/// One 64-bit cell. [`Cell::swap`] and [`Cell::replace`] are sequentially consistent, which also orders whatever comes
/// before and after them; the other operations are relaxed.
#[repr(transparent)]
pub struct Cell(Inner);

#[cfg(not(target_arch = "bpf"))]
type Inner = core::sync::atomic::AtomicU64;

#[cfg(target_arch = "bpf")]
type Inner = core::cell::UnsafeCell<u64>;

#[cfg(not(target_arch = "bpf"))]
mod operations {
    use core::sync::atomic::Ordering::{Relaxed, SeqCst};

    use super::{Cell, Inner};

    impl Cell {
        pub const fn new(value: u64) -> Self {
            Self(Inner::new(value))
        }

        #[inline]
        pub fn load(&self) -> u64 {
            self.0.load(Relaxed)
        }

        #[inline]
        pub fn store(&self, value: u64) {
            self.0.store(value, Relaxed);
        }

        /// Adds and returns nothing: the cheapest form, one instruction without a result, which every kernel knows. Those
        /// with a result need 5.12.
        #[inline]
        pub fn add(&self, amount: u64) {
            self.0.fetch_add(amount, Relaxed);
        }

        #[inline]
        pub fn subtract(&self, amount: u64) {
            self.0.fetch_sub(amount, Relaxed);
        }

        /// Puts `value` in and returns what was there.
        #[inline]
        pub fn swap(&self, value: u64) -> u64 {
            self.0.swap(value, SeqCst)
        }

        /// Puts `new` in if `expected` is there; tells whether it was.
        #[inline]
        pub fn replace(&self, expected: u64, new: u64) -> bool {
            self.0.compare_exchange(expected, new, SeqCst, SeqCst).is_ok()
        }
    }
}

#[cfg(target_arch = "bpf")]
mod operations {
    use core::intrinsics::{
        AtomicOrdering::{Relaxed, SeqCst},
        atomic_cxchg, atomic_xadd, atomic_xchg, atomic_xsub,
    };

    use super::{Cell, Inner};

    // Aligned 64-bit loads and stores are single instructions in BPF, so a volatile access never tears.
    impl Cell {
        pub const fn new(value: u64) -> Self {
            Self(Inner::new(value))
        }

        #[inline(always)]
        pub fn load(&self) -> u64 {
            unsafe { self.0.get().read_volatile() }
        }

        #[inline(always)]
        pub fn store(&self, value: u64) {
            unsafe { self.0.get().write_volatile(value) }
        }

        #[inline(always)]
        pub fn add(&self, amount: u64) {
            unsafe { atomic_xadd::<u64, u64, { Relaxed }>(self.0.get(), amount) };
        }

        #[inline(always)]
        pub fn subtract(&self, amount: u64) {
            unsafe { atomic_xsub::<u64, u64, { Relaxed }>(self.0.get(), amount) };
        }

        #[inline(always)]
        pub fn swap(&self, value: u64) -> u64 {
            unsafe { atomic_xchg::<u64, { SeqCst }>(self.0.get(), value) }
        }

        #[inline(always)]
        pub fn replace(&self, expected: u64, new: u64) -> bool {
            unsafe { atomic_cxchg::<u64, { SeqCst }, { SeqCst }>(self.0.get(), expected, new).1 }
        }
    }

    unsafe impl Sync for Cell {}
}

impl core::fmt::Debug for Cell {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.load().fmt(f)
    }
}
