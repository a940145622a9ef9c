//! The eBPF side: facts about this kernel become a plan, the plan is loaded, its counts become evidence.
