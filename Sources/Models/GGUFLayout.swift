/// How GGUF files name the weights of a model and order their rows.
public struct GGUFLayout: Sendable {
    let permutesQueryAndKey: Bool
    let headDim: Int

    /// GGUF's name of a Hugging Face tensor.
    public func name(of tensor: String) -> String {
        switch tensor {
        case "model.embed_tokens.weight": return "token_embd.weight"
        case "model.norm.weight": return "output_norm.weight"
        case "lm_head.weight": return "output.weight"
        default: break
        }
        let parts = tensor.split(separator: ".")  // model layers N module (projection) weight|bias
        let module = String(parts[parts.count - 2])
        return "blk.\(parts[2]).\(Self.names[module] ?? module).\(parts[parts.count - 1])"
    }

    private static let names = [
        "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate",
        "up_proj": "ffn_up", "down_proj": "ffn_down", "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm", "q_norm": "attn_q_norm", "k_norm": "attn_k_norm",
    ]

    /// Which row of a Hugging Face tensor GGUF has as row `j`; nil where the order is the same.
    public func rows(of tensor: String) -> ((Int) -> Int)? {
        guard isPermuted(tensor) else { return nil }
        // GGUF interleaves the two halves of each head.
        return { [d = headDim] j in j / d * d + (j % d % 2) * (d / 2) + j % d / 2 }
    }

    /// Which row GGUF has row `i` of a Hugging Face tensor as, the other way round.
    public func ggufRows(of tensor: String) -> ((Int) -> Int)? {
        guard isPermuted(tensor) else { return nil }
        return { [d = headDim] i in i / d * d + 2 * (i % d % (d / 2)) + i % d / (d / 2) }
    }

    private func isPermuted(_ tensor: String) -> Bool {
        permutesQueryAndKey && (tensor.hasSuffix(".q_proj.weight") || tensor.hasSuffix(".k_proj.weight"))
    }
}
