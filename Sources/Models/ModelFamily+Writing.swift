import Checkpoints

extension ModelFamily {
    /// The keys of a GGUF file that say what the model computes, `general.architecture` first.
    /// - Throws: for rotary frequencies that llama.cpp does not scale like that.
    public func ggufMetadata(file: String) throws(CheckpointError) -> [(key: String, value: GGUFWriter.Value)] {
        let c = configuration
        func number(_ value: Int) -> GGUFWriter.Value { .uint32(UInt32(value)) }
        var values: [(key: String, value: GGUFWriter.Value)] = [
            ("vocab_size", number(c.vocabularySize)), ("context_length", number(c.contextLength)),
            ("embedding_length", number(c.hiddenSize)), ("block_count", number(c.layerCount)),
            ("feed_forward_length", number(c.intermediateSize)), ("attention.head_count", number(c.headCount)),
            ("attention.head_count_kv", number(c.kvHeadCount)), ("attention.key_length", number(c.headDim)),
            ("attention.value_length", number(c.headDim)),
            ("attention.layer_norm_rms_epsilon", .float32(c.rmsNormEps)),
            ("rope.dimension_count", number(c.headDim)), ("rope.freq_base", .float32(Float(c.ropeTheta))),
        ]
        if let factor = c.linearRoPEFactor {
            values += [("rope.scaling.type", .string("linear")), ("rope.scaling.factor", .float32(Float(factor)))]
        } else if !c.ropeDivisors.isEmpty, !form.hasRoPEFrequencies {
            throw CheckpointError(
                file: file, item: "rope_parameters", found: "rotary frequencies that are scaled one by one",
                expected: "none or linear for \(ggufName), because llama.cpp reads no others",
                hint: "export another format")
        }
        return [("general.architecture", .string(ggufName)), ("general.type", .string("model"))]
            + values.map { ("\(ggufName).\($0)", $1) }
    }

    /// What each rotary frequency is divided by, for `rope_freqs.weight`; nil where no such tensor is needed.
    public var ggufRoPEDivisors: [Float]? {
        configuration.ropeDivisors.isEmpty || configuration.linearRoPEFactor != nil
            ? nil : configuration.ropeDivisors.map { Float($0) }
    }

    /// What `config.json` says of the model, for `JSONSerialization`; without the element type and the ids of tokens. What
    /// has an old and a new name goes under both, because readers of one age silently ignore the other's.
    /// - Throws: for scaled rotary frequencies that `config.json` has no words for.
    public func configurationFile(file: String) throws(CheckpointError) -> [String: Any] {
        let c = configuration
        var rope: [String: Any] = ["rope_type": "default"]
        var values: [String: Any] = [
            "architectures": [architecture.modelClass], "model_type": architecture.modelType, "hidden_act": "silu",
            "hidden_size": c.hiddenSize, "intermediate_size": c.intermediateSize, "num_hidden_layers": c.layerCount,
            "num_attention_heads": c.headCount, "num_key_value_heads": c.kvHeadCount, "head_dim": c.headDim,
            "vocab_size": c.vocabularySize, "max_position_embeddings": c.contextLength,
            // The shortest decimal number, not the binary one's sixteen digits.
            "rms_norm_eps": Double("\(c.rmsNormEps)") ?? Double(c.rmsNormEps), "rope_theta": c.ropeTheta,
            "tie_word_embeddings": c.tiedHead, "attention_dropout": 0.0, "initializer_range": 0.02, "use_cache": true,
        ]
        if let factor = c.linearRoPEFactor {
            rope = ["rope_type": "linear", "factor": factor]
        } else if !c.ropeDivisors.isEmpty {
            guard let section = RoPEScaling.llama3Section(of: c) else {
                throw CheckpointError(
                    file: file, item: "rope_freqs.weight", found: "rotary frequencies scaled in a way of its own",
                    expected: "none, linear, or those of Llama 3.1 to 3.3", hint: "export --format gguf")
            }
            rope = section
        }
        if !c.ropeDivisors.isEmpty { values["rope_scaling"] = rope }
        rope["rope_theta"] = c.ropeTheta
        values["rope_parameters"] = rope
        return values
    }
}

extension DecoderConfiguration {
    /// The one number that all rotary frequencies are divided by; nil where they differ or are not scaled.
    fileprivate var linearRoPEFactor: Double? {
        guard let first = ropeDivisors.first, ropeDivisors.allSatisfy({ $0 == first }) else { return nil }
        return first
    }
}
