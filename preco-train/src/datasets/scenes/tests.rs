//! Claims about the scenes.
