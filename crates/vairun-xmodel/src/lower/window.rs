//! Kernels that move over an image, resolved against the shapes that the file declares.

use super::reader::Reader;
use super::scope::{Draft, declared_shape};
use crate::proto::OpNode;

/// How a kernel moves over the spatial dimensions, in the order of the file: width, height, depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) kernel: Vec<i64>,
    pub(super) stride: Vec<i64>,
    pub(super) dilation: Vec<i64>,
    /// Before and after, for each dimension; after it as far as the output needs.
    pub(super) pad: Vec<i64>,
    /// The padding after that the file gives; a window may reach beyond it where lengths are rounded up.
    pub(super) given_after: Vec<i64>,
}

/// Numbers in attributes of windows beyond this make no sense and could overflow.
const LARGEST: i64 = 1 << 24;

/// How many spatial dimensions an op has.
fn dimensions(op: &OpNode) -> usize {
    match op.op_type.as_str() {
        name if name.contains("1d") => 1,
        name if name.contains("3d") => 3,
        _ => 2,
    }
}

/// Where the dimension that the file calls number `d` (width, height, depth) stands in `[n, h, w, d, c]`.
fn axis(d: usize, dimensions: usize) -> usize {
    match (d, dimensions) {
        (0, 2..) => 2,
        (1, _) => 1,
        (d, _) => 1 + d,
    }
}

impl Window {
    /// Of an op that reads `input` and makes the declared shape.
    pub(super) fn of(op: &OpNode, reader: &Reader, input: &[usize]) -> Result<Self, String> {
        let n = dimensions(op);
        let output = declared_shape(op)?;
        if input.len() != n + 2 || output.len() != n + 2 {
            return Err(format!("shapes {input:?} → {output:?}, expected {} dimensions", n + 2));
        }
        let length = |shape: &[usize], d: usize| {
            i64::try_from(shape[axis(d, n)])
                .map_err(|_| format!("the shape {shape:?} is too large"))
        };
        let lengths = (0..n).map(|d| Ok((length(input, d)?, length(&output, d)?)));
        let lengths = lengths.collect::<Result<Vec<_>, String>>()?;
        let raw = Raw::read(reader, n, &lengths)?;
        let mode = reader.text("pad_mode")?;
        raw.resolve(&lengths, mode, op.op_type.starts_with("transposed"))
    }

    /// The attributes of a node.
    pub(super) fn write(&self, draft: Draft) -> Draft {
        draft
            .ints("kernel", &self.kernel)
            .ints("stride", &self.stride)
            .ints("dilation", &self.dilation)
            .ints("pad", &self.pad)
    }

    /// Elements of the kernel.
    pub(super) fn taps(&self) -> i64 {
        self.kernel.iter().product()
    }
}

struct Raw {
    kernel: Vec<i64>,
    stride: Vec<i64>,
    dilation: Vec<i64>,
    pad: Vec<i64>,
}

impl Raw {
    fn read(reader: &Reader, n: usize, lengths: &[(i64, i64)]) -> Result<Self, String> {
        let list = |name, least: i64, count: usize, default: i64| {
            let values = reader.ints(name)?.filter(|values| !values.is_empty());
            let values = values.unwrap_or_else(|| vec![default; count]);
            let fits =
                values.len() == count && values.iter().all(|v| (least..=LARGEST).contains(v));
            if fits {
                Ok(values)
            } else {
                Err(format!("`{name}` is {values:?}, expected {count} numbers of at least {least}"))
            }
        };
        let global = reader.flag("global")?;
        let whole = || lengths.iter().map(|&(input, _)| input).collect();
        let raw = Self {
            kernel: list("kernel", 1, n, 0)
                .or_else(|e| if global { Ok(whole()) } else { Err(e) })?,
            stride: list("stride", 1, n, 1)?,
            dilation: list("dilation", 1, n, 1)?,
            pad: list("pad", 0, 2 * n, 0)?,
        };
        Ok(if global {
            Self { kernel: whole(), stride: vec![1; n], pad: vec![0; 2 * n], ..raw }
        } else {
            raw
        })
    }

    /// Checks the declared lengths against the mode, and sets the padding after to what the output needs.
    fn resolve(
        self,
        lengths: &[(i64, i64)],
        mode: Option<&str>,
        transposed: bool,
    ) -> Result<Window, String> {
        let mut pad = self.pad.clone();
        for (d, &(input, output)) in lengths.iter().enumerate() {
            let (before, after) = (self.pad[2 * d], self.pad[2 * d + 1]);
            let extent = (self.kernel[d] - 1) * self.dilation[d] + 1;
            let wrong = |expected: i64| {
                let mode = mode.unwrap_or("FLOOR");
                format!("its tensor is {output} long where the window gives {expected} ({mode})")
            };
            if transposed {
                let full = (input - 1) * self.stride[d] + extent;
                if output != full - before - after {
                    return Err(wrong(full - before - after));
                }
                continue;
            }
            let rest = input + before + after - extent;
            let stride = self.stride[d];
            let floor = rest.div_euclid(stride) + 1;
            let expected = match mode.unwrap_or("FLOOR") {
                "FLOOR" => floor,
                "CEIL" => -(-rest).div_euclid(stride) + 1,
                "SAME" => -(-(input + before + after)).div_euclid(stride),
                "VALID" => -(-(rest + 1)).div_euclid(stride),
                mode => {
                    return Err(format!(
                        "`pad_mode` is {mode}, expected FLOOR, CEIL, SAME or VALID"
                    ));
                }
            };
            // Caffe drops a last window that begins in the padding; PyTorch too.
            let dropped = mode == Some("CEIL") && output == expected - 1;
            // Pools of compiled files do not say how their length was rounded.
            let rounded_up = mode.is_none() && output == floor + 1 && rest % stride != 0;
            if (output != expected && !dropped && !rounded_up) || output < 1 {
                return Err(wrong(expected));
            }
            let needed = (output - 1) * stride + extent - input - before;
            // The file says where windows lie only by the padding before. SAME without paddings leaves it open.
            if mode == Some("SAME") && needed > after {
                return Err(format!(
                    "`pad_mode` is SAME and `pad` {:?} does not say where windows begin",
                    self.pad
                ));
            }
            pad[2 * d + 1] = needed.max(0);
        }
        let given_after = self.pad.iter().skip(1).step_by(2).copied().collect();
        let Self { kernel, stride, dilation, .. } = self;
        Ok(Window { kernel, stride, dilation, pad, given_after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Attr, AttrValue, Int32Vec, Tensor};

    fn op(
        op_type: &str,
        output: u32,
        kernel: i32,
        stride: i32,
        pad: [i32; 2],
        mode: &str,
    ) -> OpNode {
        let list = |value: Vec<i32>| AttrValue { value: Some(Attr::Int32Vec(Int32Vec { value })) };
        let text = AttrValue { value: Some(Attr::String(mode.into())) };
        let pads = [pad, pad].concat();
        OpNode {
            op_type: op_type.into(),
            op_attr: [
                ("kernel".to_owned(), list(vec![kernel; 2])),
                ("stride".to_owned(), list(vec![stride; 2])),
                ("pad".to_owned(), list(pads)),
                ("pad_mode".to_owned(), text),
            ]
            .into(),
            output_tensor: Some(Tensor {
                tensor_dim: vec![1, output, output, 4],
                ..Tensor::default()
            }),
            ..OpNode::default()
        }
    }

    fn pad_after(op: &OpNode, input: usize) -> Result<i64, String> {
        Window::of(op, &Reader::new(op), &[1, input, input, 4]).map(|window| window.pad[1])
    }

    #[test]
    fn the_padding_after_is_what_the_output_needs() {
        // 7 long, windows of 3 at every second place: the last window ends at 7, the padding is not used.
        assert_eq!(pad_after(&op("conv2d", 3, 3, 2, [0, 1], "FLOOR"), 7), Ok(0));
        assert_eq!(pad_after(&op("conv2d", 4, 3, 2, [1, 1], "FLOOR"), 7), Ok(1));
        // Rounded up, the last window reaches beyond the padding.
        assert_eq!(pad_after(&op("maxpool2d", 4, 2, 2, [0, 0], "CEIL"), 7), Ok(1));
    }

    #[test]
    fn a_declared_shape_that_the_window_does_not_give_is_an_error() {
        let error = pad_after(&op("conv2d", 5, 3, 2, [1, 1], "FLOOR"), 7).unwrap_err();
        assert_eq!(error, "its tensor is 5 long where the window gives 4 (FLOOR)");
        assert!(
            pad_after(&op("conv2d", 4, 3, 2, [1, 1], "ROUND"), 7).unwrap_err().contains("pad_mode")
        );
    }

    #[test]
    fn width_comes_first_in_attributes_and_second_in_shapes() {
        let mut wide = op("conv2d", 0, 1, 1, [0, 0], "FLOOR");
        wide.op_attr.insert(
            "kernel".into(),
            AttrValue { value: Some(Attr::Int32Vec(Int32Vec { value: vec![3, 1] })) },
        );
        wide.output_tensor.as_mut().unwrap().tensor_dim = vec![1, 5, 7, 4];
        let window = Window::of(&wide, &Reader::new(&wide), &[1, 5, 9, 4]).unwrap();
        assert_eq!(window.kernel, [3, 1]);
    }

    #[test]
    fn a_transposed_window_grows() {
        assert_eq!(pad_after(&op("transposed-conv2d", 14, 2, 2, [0, 0], "FLOOR"), 7), Ok(0));
        assert!(pad_after(&op("transposed-conv2d", 7, 2, 2, [0, 0], "FLOOR"), 7).is_err());
    }

    #[test]
    fn numbers_without_sense_are_refused() {
        for (kernel, stride, pad) in [(0, 1, 0), (1, 0, 0), (1, 1, -1), (i32::MAX, 1, 0)] {
            assert!(pad_after(&op("conv2d", 7, kernel, stride, [pad, 0], "FLOOR"), 7).is_err());
        }
    }
}
