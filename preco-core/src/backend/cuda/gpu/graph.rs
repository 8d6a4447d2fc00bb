//! Recorded work: launched again, and read kernel by kernel.

use std::ffi::CStr;
use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaStream, result, sys};

use super::words;
use crate::backend::cuda::driver::Recording;
use crate::error::{Error, Result};

/// A recorded CUDA graph.
pub(super) struct Graph {
    name: String,
    graph: sys::CUgraph,
    ready: sys::CUgraphExec,
    stream: Arc<CudaStream>,
}

// SAFETY: handles of the driver, launched on one stream.
unsafe impl Send for Graph {}

impl Graph {
    /// A graph and what it is launched as.
    pub(super) fn new(name: String, graph: sys::CUgraph, ready: sys::CUgraphExec, stream: Arc<CudaStream>) -> Self {
        Self { name, graph, ready, stream }
    }
}

impl Recording for Graph {
    fn replay(&self) -> Result<()> {
        let bound = self.stream.context().bind_to_thread();
        bound.map_err(|error| Error::device(&self.name, words(&error)))?;
        // SAFETY: both live as long as this.
        let queued = unsafe { result::graph::launch(self.ready, self.stream.cu_stream()) };
        queued.map_err(|error| Error::device(&self.name, format!("a recorded step: {}", words(&error))))
    }

    fn kernels(&self) -> Result<Vec<String>> {
        let done = |code: sys::CUresult| {
            code.result().map_err(|error| Error::device(&self.name, format!("reading a graph: {}", words(&error))))
        };
        let mut count = 0;
        // SAFETY: asks for the number of nodes.
        done(unsafe { sys::cuGraphGetNodes(self.graph, std::ptr::null_mut(), &raw mut count) })?;
        let mut nodes = vec![std::ptr::null_mut(); count];
        // SAFETY: there is room for `count` nodes.
        done(unsafe { sys::cuGraphGetNodes(self.graph, nodes.as_mut_ptr(), &raw mut count) })?;
        let mut names = Vec::new();
        for node in nodes {
            let mut kind = std::mem::MaybeUninit::uninit();
            // SAFETY: the node belongs to the graph.
            done(unsafe { sys::cuGraphNodeGetType(node, kind.as_mut_ptr()) })?;
            // SAFETY: written by the call above.
            if unsafe { kind.assume_init() } != sys::CUgraphNodeType::CU_GRAPH_NODE_TYPE_KERNEL {
                continue;
            }
            let mut parameters = std::mem::MaybeUninit::<sys::CUDA_KERNEL_NODE_PARAMS>::zeroed();
            // SAFETY: a kernel's node.
            done(unsafe { sys::cuGraphKernelNodeGetParams_v2(node, parameters.as_mut_ptr()) })?;
            let mut name = std::ptr::null();
            // SAFETY: written by the call above; the driver owns the name. A library's kernel has no function.
            let text = unsafe {
                let parameters = parameters.assume_init();
                done(if parameters.func.is_null() {
                    sys::cuKernelGetName(&raw mut name, parameters.kern)
                } else {
                    sys::cuFuncGetName(&raw mut name, parameters.func)
                })?;
                CStr::from_ptr(name)
            };
            names.push(text.to_string_lossy().into_owned());
        }
        Ok(names)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // Nobody can be told of an error any more.
        let _ = self.stream.synchronize();
        // SAFETY: nothing that was queued still runs.
        let _ = unsafe { result::graph::exec_destroy(self.ready) };
        // SAFETY: as above.
        let _ = unsafe { result::graph::destroy(self.graph) };
    }
}
