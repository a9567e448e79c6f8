//! Plans and runs graphs, and lets observers watch.
