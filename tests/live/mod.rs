//! The doors of the inbox: order, gaps, slow readers, restarts.

mod leaving;
