use std::collections::HashMap;
use std::sync::LazyLock;

use crate::def::OpDef;
use crate::error::BuildError;
use crate::operator::Operator;
use crate::provider::{OpEntry, Provider};
use crate::spec::NodeSpec;
use crate::{
    attention, cast, control, detect, dims, einsum, elementwise, generate, loss, movement,
    normalize, pool, qlinear, quant, quark, random, recurrent, reduce, resize, search, sequence,
    signal, text, xir,
};

/// Every operator of this crate: the one list that dispatch, `vairun ops` and the README's table read.
pub static OPS: &[&OpDef] = &[
    // ONNX's own quantizers, and com.microsoft's
    &quant::dequantize_linear::DEF,
    &quant::dynamic_quantize_linear::DEF,
    &quant::quantize_linear::DEF,
    // on codes
    &qlinear::conv_integer::DEF,
    &qlinear::dynamic_quantize_lstm::DEF,
    &qlinear::dynamic_quantize_mat_mul::DEF,
    &qlinear::gather_block_quantized::DEF,
    &qlinear::mat_mul_integer::DEF,
    &qlinear::mat_mul_integer_to_float::DEF,
    &qlinear::mat_mul_n_bits::DEF,
    &qlinear::q_attention::DEF,
    &qlinear::q_gemm::DEF,
    &qlinear::qlinear_add::DEF,
    &qlinear::qlinear_average_pool::DEF,
    &qlinear::qlinear_concat::DEF,
    &qlinear::qlinear_conv::DEF,
    &qlinear::qlinear_global_average_pool::DEF,
    &qlinear::qlinear_leaky_relu::DEF,
    &qlinear::qlinear_mat_mul::DEF,
    &qlinear::qlinear_mul::DEF,
    &qlinear::qlinear_reduce_mean::DEF,
    &qlinear::qlinear_sigmoid::DEF,
    &qlinear::qlinear_softmax::DEF,
    &qlinear::qlinear_where::DEF,
    // vai (vai_q_pytorch)
    &quant::vai_dequantize_linear::DEF,
    &quant::vai_fix_neuron::DEF,
    &quant::vai_quantize_linear::DEF,
    // ai.onnx.contrib (vai_q_onnx 3.5)
    &quant::contrib_dequantize_linear::DEF,
    &quant::contrib_fix_neuron::DEF,
    &quant::contrib_quantize_linear::DEF,
    &quant::contrib_vai_de_quantize::DEF,
    &quant::contrib_vai_quantize::DEF,
    // Quark, formerly vai_q_onnx
    &quark::bfp_quantize_dequantize::DEF,
    &quark::extended_dequantize_linear::DEF,
    &quark::extended_instance_normalization::DEF,
    &quark::extended_lstm::DEF,
    &quark::extended_quantize_linear::DEF,
    &quark::mx_quantize_dequantize::DEF,
    // shapes
    &dims::flatten::DEF,
    &dims::identity::DEF,
    &dims::reshape::DEF,
    &dims::shape::DEF,
    &dims::size::DEF,
    &dims::squeeze::DEF,
    &dims::unsqueeze::DEF,
    // tensors out of parameters
    &generate::constant::DEF,
    &generate::constant_of_shape::DEF,
    &generate::eye_like::DEF,
    &generate::one_hot::DEF,
    &generate::range::DEF,
    // types
    &cast::bit_cast::DEF,
    &cast::cast::DEF,
    &cast::cast_like::DEF,
    // moving elements
    &movement::center_crop_pad::DEF,
    &movement::col2im::DEF,
    &movement::compress::DEF,
    &movement::concat::DEF,
    &movement::depth_to_space::DEPTH_TO_SPACE,
    &movement::depth_to_space::SPACE_TO_DEPTH,
    &movement::expand::DEF,
    &movement::gather::DEF,
    &movement::gather_elements::DEF,
    &movement::gather_nd::DEF,
    &movement::pad::DEF,
    &movement::reverse_sequence::DEF,
    &movement::scatter_elements::DEF,
    &movement::scatter_nd::DEF,
    &movement::slice::DEF,
    &movement::split::DEF,
    &movement::tensor_scatter::DEF,
    &movement::tile::DEF,
    &movement::transpose::DEF,
    &movement::trilu::DEF,
    &movement::where_::DEF,
    &resize::DEF,
    // looking for elements
    &search::non_zero::DEF,
    &search::top_k::DEF,
    &search::unique::DEF,
    // each element for itself
    &elementwise::activation::CELU,
    &elementwise::activation::ELU,
    &elementwise::activation::HARD_SIGMOID,
    &elementwise::activation::HARD_SWISH,
    &elementwise::activation::LEAKY_RELU,
    &elementwise::activation::MISH,
    &elementwise::activation::SELU,
    &elementwise::activation::SHRINK,
    &elementwise::activation::SWISH,
    &elementwise::activation::THRESHOLDED_RELU,
    &elementwise::arithmetic::ADD,
    &elementwise::arithmetic::SUB,
    &elementwise::arithmetic::MUL,
    &elementwise::arithmetic::BITWISE_AND,
    &elementwise::arithmetic::BITWISE_OR,
    &elementwise::arithmetic::BITWISE_XOR,
    &elementwise::arithmetic::DIV,
    &elementwise::arithmetic::MOD,
    &elementwise::arithmetic::PRELU,
    &elementwise::bit_shift::DEF,
    &elementwise::arithmetic::POW,
    &elementwise::clip::DEF,
    &elementwise::compare::EQUAL,
    &elementwise::compare::LESS,
    &elementwise::compare::LESS_OR_EQUAL,
    &elementwise::compare::GREATER,
    &elementwise::compare::GREATER_OR_EQUAL,
    &elementwise::compare::IS_NAN,
    &elementwise::compare::IS_INF,
    &elementwise::gelu::BIAS,
    &elementwise::gelu::DEF,
    &elementwise::gelu::FAST,
    &elementwise::gelu::MICROSOFT,
    &elementwise::gelu::QUICK,
    &elementwise::function::ACOS,
    &elementwise::function::ACOSH,
    &elementwise::function::ASIN,
    &elementwise::function::ASINH,
    &elementwise::function::ATAN,
    &elementwise::function::ATANH,
    &elementwise::function::CEIL,
    &elementwise::function::COS,
    &elementwise::function::COSH,
    &elementwise::function::ERF,
    &elementwise::function::EXP,
    &elementwise::function::FLOOR,
    &elementwise::function::LOG,
    &elementwise::function::RECIPROCAL,
    &elementwise::function::ROUND,
    &elementwise::function::SIGMOID,
    &elementwise::function::SIN,
    &elementwise::function::SINH,
    &elementwise::function::SOFTPLUS,
    &elementwise::function::SOFTSIGN,
    &elementwise::function::SQRT,
    &elementwise::function::TAN,
    &elementwise::function::TANH,
    &elementwise::logic::AND,
    &elementwise::logic::OR,
    &elementwise::logic::XOR,
    &elementwise::logic::NOT,
    &elementwise::sign::ABS,
    &elementwise::sign::BITWISE_NOT,
    &elementwise::sign::NEG,
    &elementwise::sign::RELU,
    &elementwise::sign::SIGN,
    &elementwise::swiglu::DEF,
    &elementwise::variadic::MAX,
    &elementwise::variadic::MIN,
    &elementwise::variadic::SUM,
    &elementwise::variadic::MEAN,
    // axes folded into one value
    &reduce::arg::MAX,
    &reduce::arg::MIN,
    &reduce::cumulative::PROD,
    &reduce::cumulative::SUM,
    &reduce::fold::L1,
    &reduce::fold::L2,
    &reduce::fold::LOG_SUM,
    &reduce::fold::LOG_SUM_EXP,
    &reduce::fold::MAX,
    &reduce::fold::MEAN,
    &reduce::fold::MIN,
    &reduce::fold::PROD,
    &reduce::fold::SUM,
    &reduce::fold::SUM_SQUARE,
    // losses
    &loss::negative_log_likelihood::NEGATIVE_LOG_LIKELIHOOD,
    &loss::negative_log_likelihood::SOFTMAX_CROSS_ENTROPY,
    // random numbers
    &random::dropout::DEF,
    &random::fill::BERNOULLI,
    &random::fill::NORMAL,
    &random::fill::NORMAL_LIKE,
    &random::fill::UNIFORM,
    &random::fill::UNIFORM_LIKE,
    // detectors and samplers
    &detect::affine_grid::DEF,
    &detect::grid_sample::DEF,
    &detect::non_max_suppression::DEF,
    &detect::roi_align::DEF,
    // softmax and normalizations
    &normalize::batch_normalization::DEF,
    &normalize::embed_layer_normalization::DEF,
    &normalize::group_normalization::GROUP,
    &normalize::group_normalization::INSTANCE,
    &normalize::layer_normalization::DEF,
    &normalize::layer_normalization::RMS,
    &normalize::lp_normalization::DEF,
    &normalize::mean_variance_normalization::DEF,
    &normalize::skip_layer_normalization::DEF,
    &normalize::skip_layer_normalization::SIMPLIFIED,
    &normalize::softmax::HARDMAX,
    &normalize::softmax::LOG_SOFTMAX,
    &normalize::softmax::SOFTMAX,
    // sums of products
    &einsum::DEF,
    // spectra
    &signal::dft::DEF,
    &signal::mel_weight_matrix::DEF,
    &signal::stft::DEF,
    &signal::window::BLACKMAN,
    &signal::window::HAMMING,
    &signal::window::HANN,
    // strings
    &text::string_concat::DEF,
    &text::string_split::DEF,
    // attention
    &attention::causal_conv_with_state::DEF,
    &attention::group_query_attention::DEF,
    &attention::linear_attention::DEF,
    &attention::attention::DEF,
    &attention::microsoft_attention::DEF,
    &attention::multi_head_attention::DEF,
    &attention::rotary_embedding::DEF,
    &attention::rotary_embedding::MICROSOFT,
    // windows over images
    &pool::average_pool::DEF,
    &pool::global_pool::AVERAGE,
    &pool::global_pool::LP,
    &pool::global_pool::MAX,
    &pool::lp_pool::DEF,
    &pool::max_pool::DEF,
    &pool::max_unpool::DEF,
    // bodies
    &control::if_::DEF,
    &control::loop_::DEF,
    &control::scan::DEF,
    // sequences and optionals
    &sequence::at::AT,
    &sequence::at::ERASE,
    &sequence::at::INSERT,
    &sequence::concat_from_sequence::DEF,
    &sequence::construct::CONSTRUCT,
    &sequence::construct::EMPTY,
    &sequence::construct::LENGTH,
    &sequence::optional::GET_ELEMENT,
    &sequence::optional::HAS_ELEMENT,
    &sequence::optional::OPTIONAL,
    &sequence::sequence_map::DEF,
    &sequence::split_to_sequence::DEF,
    // recurrence
    &recurrent::gru::DEF,
    &recurrent::lstm::DEF,
    &recurrent::rnn::DEF,
    // XIR, the graphs of .xmodel files
    &xir::aligned::DEF,
    &xir::avg_pool::DEF,
    &xir::blocks::DEF,
    &xir::clip::DEF,
    &xir::concat::DEF,
    &xir::conv::DEF,
    &xir::div::DEF,
    &xir::fix::DEF,
    &xir::fix2float::DEF,
    &xir::function::DEF,
    &xir::hard_sigmoid::DEF,
    &xir::hard_swish::DEF,
    &xir::identity::DEF,
    &xir::leaky_relu::DEF,
    &xir::matmul::DEF,
    &xir::max_pool::DEF,
    &xir::mul::DEF,
    &xir::pad::DEF,
    &xir::pp_scatter::DEF,
    &xir::prelu::DEF,
    &xir::reduction::DEF,
    &xir::relu::NEG,
    &xir::relu::RELU,
    &xir::resize::DEF,
    &xir::scale::DEF,
    &xir::softmax::DEF,
    &xir::stack::DEF,
    &xir::strided_slice::DEF,
    &xir::transpose::DEF,
];

/// The operators of [`OPS`].
pub struct OwnOps;

static BY_NAME: LazyLock<HashMap<(&str, &str), Vec<&OpDef>>> = LazyLock::new(|| {
    let mut by_name: HashMap<_, Vec<&OpDef>> = HashMap::new();
    for def in OPS {
        def.names.iter().for_each(|&name| by_name.entry(name).or_default().push(def));
    }
    by_name
});

impl Provider for OwnOps {
    fn is_standard(&self) -> bool {
        true
    }

    fn build(&self, spec: &NodeSpec) -> Option<Result<Box<dyn Operator>, BuildError>> {
        let defs = BY_NAME.get(&(spec.op.domain.as_str(), spec.op.op_type.as_str()))?;
        let fits =
            |def: &&&OpDef| !spec.op.domain.is_empty() || def.opsets.contains(&spec.op.opset);
        defs.iter().find(fits).map(|def| def.make(spec))
    }

    fn entries(&self) -> Vec<OpEntry> {
        let entry = |def: &OpDef, (domain, op_type): (&str, &str)| OpEntry {
            domain: domain.into(),
            op_type: op_type.into(),
            opsets: def.opsets.clone(),
            types: def.types.into(),
            summary: def.summary.into(),
            grade: def.grade,
        };
        OPS.iter().flat_map(|def| def.names.iter().map(move |&name| entry(def, name))).collect()
    }
}
