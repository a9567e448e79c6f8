//! Reads .xmodel (XIR) files.
