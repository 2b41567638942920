import Checkpoints
import Models
import Neurons
import TestSupport
import Testing

@Suite struct SelectionTests {
    let model = makeTinyDecoder()

    func profile(_ score: (Int) -> Double) -> NeuronProfile {
        NeuronProfile(
            model: model, scores: (0..<model.neuronCount).map(score), method: "test", baseHash: "base", details: [:])
    }

    @Test func takesTheHighestScores() throws {
        // 3 layers of 48 + 16 + 16 + 48 + 80 + 80 + 48 neurons.
        #expect(model.neuronCount == 3 * 336)
        let mask = try profile { Double($0) }.select(share: 0.01)
        #expect(mask.count == 10)
        #expect(mask.modules.map(\.name) == ["model.layers.2.mlp.down_proj"])
        #expect(mask.modules[0].rows == Array(38..<48))
    }

    @Test func tiesGoByNeuronID() throws {
        let mask = try profile { _ in 1 }.select(share: 0.05)
        #expect(mask.count == 50)
        #expect(mask.modules.map(\.name) == ["model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.k_proj"])
        #expect(mask.modules[0].rows == Array(0..<48))
        #expect(mask.modules[1].rows == [0, 1])
    }

    @Test func scopesTakeTheirShareOfEachGroup() throws {
        let rising = profile { Double($0) }
        let byLayer = try rising.select(share: 0.06, scope: .layer)
        #expect(byLayer.modules.map(\.layer) == [0, 1, 2])
        #expect(byLayer.modules.allSatisfy { $0.rows.count == 20 && $0.projection == .down })
        let byProjection = try rising.select(share: 0.06, scope: .projection)
        #expect(byProjection.modules.count == 21)
        #expect(byProjection.modules[0].rows == [45, 46, 47])
        #expect(byProjection.modules[1].rows == [15])
    }

    /// Where every layer favours the same rows of o and down, each takes those that it favours more than others do.
    @Test func spreadTakesOtherChannelsInEachLayer() throws {
        // The last 8 rows of o and down score highest in all layers; next come three rows of each layer's own.
        var scores: [Double] = []
        for layer in 0..<3 {
            for entry in model.projections where entry.layer == layer {
                let writes = entry.projection == .output || entry.projection == .down
                scores += (0..<entry.rows).map { writes && $0 / 3 == layer ? 39.5 + Double($0) / 100 : Double($0) }
            }
        }
        let profile = profile { scores[$0] }
        let byProjection = try profile.select(share: 0.06, scope: .projection)
        let spread = try profile.select(share: 0.06, scope: .spread)
        // In all as many as of the whole model, 60.48. 48 neurons of a projection give 2.88, 16 give 0.96 and 80 give 4.8: all
        // are rounded up but the last three of gate and up.
        #expect(spread.provenance["scope"] == "spread" && spread.count == 60)
        #expect(spread.modules.map(\.rows.count) == [3, 1, 1, 3, 5, 5, 3, 3, 1, 1, 3, 5, 4, 3, 3, 1, 1, 3, 4, 4, 3])
        for (module, plain) in zip(spread.modules, byProjection.modules) {
            #expect(module.name == plain.name)
            if module.projection == .output || module.projection == .down {
                #expect(plain.rows == [45, 46, 47])
                #expect(module.rows == (0..<3).map { Int32(3 * module.layer + $0) })
            } else {
                #expect(module.rows == plain.rows.suffix(module.rows.count))
            }
        }
        // Of one layer alone there is nothing to compare with.
        let alone = try profile.select(
            share: 0.06, scope: .spread, from: NeuronFilter(projections: [.down], layers: [1]))
        #expect(alone.modules.map(\.rows) == [[45, 46, 47]])
        // Where all layers rank alike, scores decide.
        let alike = try self.profile { Double($0) }.select(share: 0.06, scope: .spread)
        #expect(
            alike.modules.filter { $0.projection == .down }.map(\.rows) == Array(repeating: [45, 46, 47], count: 3))
        var uneven = profile
        uneven.modules[6].scores.removeLast()
        #expect { try uneven.select(share: 0.06, scope: .spread) } throws: {
            "\($0)".hasPrefix(
                "profile: 48 scores of model.layers.1.mlp.down_proj; expected 47, as of model.layers.0.mlp.down_proj")
        }
        // Groups may give none, but not all of them.
        #expect(try profile.select(share: 0.002, scope: .spread).modules.map(\.rows.count) == [1, 1])
        #expect { try profile.select(share: 1e-4, scope: .spread) } throws: {
            "\($0)".hasPrefix(
                "--top: 0.01% of the 1008 neurons, which is none; expected at least one neuron; give a larger share")
        }
    }

    @Test func filtersComeBeforeTheShare() throws {
        let rising = profile { Double($0) }
        let feedForward = try rising.select(share: 0.05, from: NeuronFilter(projections: [.gate, .up]))
        // 5 % of 3 layers of 160.
        #expect(feedForward.count == 24)
        #expect(feedForward.modules.map(\.name) == ["model.layers.2.mlp.up_proj"])
        let lower = try rising.select(
            share: 0.1, scope: .layer, from: NeuronFilter(projections: [.query, .down], layers: [0, 1]))
        #expect(
            lower.modules.map { ["\($0.layer)", $0.projection.shortName, "\($0.rows.count)"] } == [
                ["0", "down", "10"], ["1", "down", "10"],
            ])
        #expect(lower.provenance["projections"] == "q,down" && lower.provenance["layers"] == "0,1")
        #expect(try rising.select(share: 0.05).provenance["layers"] == nil)
        #expect { try rising.select(share: 0.1, from: NeuronFilter(layers: [1, 3])) } throws: {
            "\($0)" == "--layers: layer 3; expected layers 0 to 2; name layers of this model, such as 0-2"
        }
    }

    /// A group that would lose all its neurons is no silent matter.
    @Test func everyGroupGivesANeuron() {
        #expect { try profile { Double($0) }.select(share: 0.01, scope: .projection) } throws: {
            "\($0)".hasPrefix("--top: 1.0% of the 48 neurons of layer 0 q, which is none; expected at least one")
        }
        #expect { try profile { Double($0) }.select(share: 0.001, scope: .layer) } throws: {
            "\($0)".contains("of the 336 neurons of layer 0, which is none")
        }
    }

    @Test func everythingAndNothing() throws {
        #expect(try profile { _ in 0 }.select(share: 1).count == model.neuronCount)
        for share in [0, -0.1, 1.01, 2, .nan, .infinity, 1e-9] {
            #expect(throws: NeuronError.self) { try profile { _ in 0 }.select(share: share) }
        }
        #expect { try profile { $0 == 40 ? .nan : 1 }.select(share: 0.1) } throws: {
            "\($0)".contains("layer 0 q row 40")
        }
    }

    @Test func randomScoresAreRepeatableAndUniform() throws {
        let first = NeuronProfile.random(model: model, seed: 1, baseHash: "base")
        #expect(first == NeuronProfile.random(model: model, seed: 1, baseHash: "base"))
        #expect(first != NeuronProfile.random(model: model, seed: 2, baseHash: "base"))
        let scores = first.modules.flatMap(\.scores)
        #expect(scores.allSatisfy { 0 <= $0 && $0 < 1 })
        #expect(abs(scores.reduce(0, +) / Double(scores.count) - 0.5) < 0.03)
    }
}

@Suite struct ProfileFileTests {
    @Test func roundTripKeepsEveryBit() throws {
        let folder = try TemporaryFolder()
        let model = makeTinyDecoder()
        let scores = (0..<model.neuronCount).map { 1e-7 / Double($0 + 1) }
        let profile = NeuronProfile(
            model: model, scores: scores, method: "gradient", baseHash: "abc", details: ["steps": "3"])
        try profile.save(to: folder.file("p"))
        #expect(try NeuronProfile.load(folder.file("p")) == profile)
    }

    @Test func otherFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        let model = makeTinyDecoder()
        try NeuronProfile.random(model: model, seed: 1, baseHash: "abc").select(share: 0.1).save(
            to: folder.file("mask"))
        #expect { try NeuronProfile.load(folder.file("mask")) } throws: {
            "\($0)".contains("a file of kind \"neurons\"")
        }
        #expect(throws: (any Error).self) { try NeuronProfile.load(folder.file("absent")) }
    }
}

@Suite struct MaskTests {
    let model = makeTinyDecoder()

    func mask(seed: UInt64 = 1, base: String = "abc") throws -> NeuronMask {
        try NeuronProfile.random(model: model, seed: seed, baseHash: base).select(share: 0.06)
    }

    @Test func roundTripsThroughFileAndBytes() throws {
        let folder = try TemporaryFolder()
        let mask = try mask()
        try mask.save(to: folder.file("m"))
        #expect(try NeuronMask.load(folder.file("m")) == mask)
        #expect(NeuronMask(bytes: mask.bytes) == mask)
        #expect(NeuronMask(bytes: Array("x".utf8)) == nil)
        for bad in [
            "mlp.up_proj 5 1", "mlp.up_proj -1 2", "mlp.up_proj", "mlp.up_proj 1\nmodel.layers.0.mlp.up_proj 2",
        ] {
            #expect(NeuronMask(bytes: Array("x\n0\nmodel.layers.0.\(bad)\n".utf8)) == nil)
        }
        #expect(NeuronMask(bytes: Array("x\n9\n".utf8)) == nil)
        #expect(NeuronMask(bytes: Array("x\n0\nmodel.layers.0.mlp.up_proj 1 b\n".utf8)) == nil)
    }

    @Test func theHashIsOfNeuronsAndModelAlone() throws {
        let mask = try mask()
        #expect(mask.hash == NeuronMask(modules: mask.modules, baseHash: "abc", provenance: [:]).hash)
        #expect(try mask.hash != self.mask(seed: 2).hash)
        #expect(try mask.hash != self.mask(base: "abd").hash)
        let known = NeuronMask(
            modules: [.init(name: "model.layers.0.mlp.up_proj", layer: 0, projection: .up, rows: [1, 5])],
            baseHash: "abc", provenance: [:])
        // sha256 of "neurons abc\nmodel.layers.0.mlp.up_proj [1, 5]\n": masks of released versions stay valid.
        #expect(known.hash == "d38763157d8a7a05b6ba49d8d5053deb074954a75d59924ee3c2c9f78056a71b")
    }

    @Test func packedRowsFollowTheMask() throws {
        let mask = try mask()
        let trainable = try mask.trainableRows(for: model, baseHash: "abc", file: "m")
        #expect(trainable.entries.map { model.parameters[$0.parameter].module } == mask.modules.map(\.name))
        #expect(trainable.entries.map { $0.rows } == mask.modules.map(\.rows))
        #expect(trainable.count == trainable.entries.reduce(0) { $0 + $1.rowCount * $1.columns })
    }

    @Test func masksOfOtherModelsAreRefused() throws {
        #expect { try mask().trainableRows(for: model, baseHash: "other", file: "m") } throws: {
            "\($0)" == "m: neurons of another model (base hash abc); expected neurons of this one (other); "
                + "profile and select on this model"
        }
        let deep = try NeuronProfile.random(model: makeTinyDecoder(layers: 4), seed: 1, baseHash: "abc").select(
            share: 0.5)
        #expect(throws: NeuronError.self) { try deep.trainableRows(for: model, baseHash: "abc", file: "m") }
        let wide = NeuronMask(
            modules: [.init(name: "model.layers.0.mlp.up_proj", layer: 0, projection: .up, rows: [80])],
            baseHash: "abc", provenance: [:])
        #expect { try wide.trainableRows(for: model, baseHash: "abc", file: "m") } throws: {
            "\($0)".contains("rows below 80")
        }
    }

    @Test func allNeuronsAndAllWeights() {
        #expect(model.everyNeuron.entries.count == 21)
        #expect(makeTinyDecoder(.biased).everyNeuron.entries.count == 21 + 9)
        #expect(model.everyWeight.count == model.parameters.reduce(0) { $0 + $1.tensor.count })
    }
}

@Suite struct AdapterTests {
    @Test(arguments: TinyForm.allCases) func appliesToTheModelItWasTrainedFrom(form: TinyForm) throws {
        let folder = try TemporaryFolder()
        let (tuned, fresh) = (makeTinyDecoder(form), makeTinyDecoder(form))
        let mask = try NeuronProfile.random(model: tuned, seed: 3, baseHash: "abc").select(share: 0.1)
        let rows = try mask.trainableRows(for: tuned, baseHash: "abc", file: "m")
        for entry in rows.entries {
            let tensor = tuned.parameters[entry.parameter].tensor
            for row in entry.rows! {
                for c in 0..<entry.columns { tensor.pointer[Int(row) * entry.columns + c] += 0.5 }
            }
        }
        let path = folder.file("adapter.safetensors")
        try RowAdapter.save(rows, of: tuned, baseHash: "abc", maskHash: mask.hash, to: path)
        let empty = SafetensorsWriter(metadata: ["formatVersion": "1", "kind": "adapter", "baseHash": "abc"])
        try empty.write(to: folder.file("empty.safetensors"))
        #expect { try RowAdapter.apply(folder.file("empty.safetensors"), to: fresh, baseHash: "abc") } throws: {
            "\($0)".contains("tensors of those rows, no others")
        }
        #expect(throws: NeuronError.self) { try RowAdapter.apply(path, to: fresh, baseHash: "other") }
        #expect(throws: NeuronError.self) {
            try RowAdapter.apply(path, to: makeTinyDecoder(form, layers: 1), baseHash: "abc")
        }
        if form == .biased {
            // Rows without the biases that belong to them, and biases that the model has not.
            let weights = TrainableRows(
                selection: rows.entries.filter { !tuned.parameters[$0.parameter].isBias }.map {
                    ($0.parameter, $0.rows)
                },
                parameters: tuned.parameters)
            let bare = folder.file("bare.safetensors")
            try RowAdapter.save(weights, of: tuned, baseHash: "abc", maskHash: mask.hash, to: bare)
            #expect { try RowAdapter.apply(bare, to: fresh, baseHash: "abc") } throws: {
                "\($0)".contains("_proj.bias: no such tensor")
            }
            #expect { try RowAdapter.apply(path, to: makeTinyDecoder(), baseHash: "abc") } throws: {
                "\($0)".contains("tensors of those rows, no others")
            }
        }
        #expect(
            fresh.parameters.indices.contains {
                bits(fresh.parameters[$0].tensor.values) != bits(tuned.parameters[$0].tensor.values)
            })
        #expect(try RowAdapter.apply(folder.path, to: fresh, baseHash: "abc") == mask.count)
        for (a, b) in zip(fresh.parameters, tuned.parameters) {
            #expect(bits(a.tensor.values) == bits(b.tensor.values))
        }
    }
}

@Suite struct WeightShiftTests {
    /// 1 − cos of small rotations, against the closed form 1 − cos θ = 2 sin²(θ/2).
    @Test(arguments: [1e-7, 1e-5, 1e-3, 1e-2]) func smallShiftsAreAccurate(shift: Double) {
        let angle = 2 * (shift / 2).squareRoot()  // 1 − cos(angle) ≈ shift
        let count = 512
        // Two orthogonal rows of floats, mixed in Double and rounded once.
        let a = randomFloats(count, seed: 1)
        var b = randomFloats(count, seed: 2)
        let overlap = Float(dot(a, b) / dot(a, a))
        for i in 0..<count { b[i] -= overlap * a[i] }
        let scale = (dot(a, a) / dot(b, b)).squareRoot()
        let turned = (0..<count).map { Float(Double(a[$0]) + angle * scale * Double(b[$0])) }
        // The exact value for the rounded rows, by the defining formula with errors far below the shift in Double.
        let cosine = dot(a, turned) / (dot(a, a).squareRoot() * dot(turned, turned).squareRoot())
        let score = WeightShift.score(a, turned, count: count)
        #expect(abs(score - (1 - cosine)) < 1e-13 + 1e-9 * score)
        #expect(abs(score - shift) < 0.06 * shift)
        #expect(WeightShift.score(a, a.map { $0 * 4 }, count: count) < 1e-30)
    }

    @Test func zeroRows() {
        let (zero, some): ([Float], [Float]) = ([0, 0, 0], [1, 0, 2])
        #expect(WeightShift.score(zero, zero, count: 3) == 0)
        #expect(WeightShift.score(zero, some, count: 3) == 1)
        #expect(abs(WeightShift.score(some, some.map { -$0 }, count: 3) - 2) < 1e-12)
    }
}

@Suite struct SmallWeightShiftTests {
    /// `1 − cos` without cancellation in another way, by Lagrange's identity: `sin² = Σ (aᵢbⱼ − aⱼbᵢ)² / ‖a‖²‖b‖²`, and
    /// `1 − cos = sin² / (1 + cos)`. Products of two floats are exact in Double.
    private func lagrange(_ a: [Float], _ b: [Float]) -> Double {
        var (areas, aa, bb) = (0.0, 0.0, 0.0)
        for i in a.indices {
            aa += Double(a[i]) * Double(a[i])
            bb += Double(b[i]) * Double(b[i])
            for j in 0..<i {
                let area = Double(a[i]) * Double(b[j]) - Double(a[j]) * Double(b[i])
                areas += area * area
            }
        }
        let sine2 = areas / (aa * bb)
        return sine2 / (1 + (1 - sine2).squareRoot())
    }

    /// Turned by so little that `1 − cos` in Float would be noise, or zero.
    @Test(arguments: [3e-2, 1e-3, 4.5e-4, 1e-5, 1e-6]) func smallShiftsAreExact(angle: Double) {
        for (seed, length) in [(1, 0.01), (2, 1), (3, 40)] as [(UInt64, Float)] {
            let before = randomFloats(576, seed: seed, scale: length)
            let noise = randomFloats(576, seed: seed + 10, scale: length)
            let after = zip(before, noise).map { $0 * 1.01 + Float(angle) * $1 }
            let found = WeightShift.score(before, after, count: 576)
            let expected = lagrange(before, after)
            #expect(abs(found - expected) <= 1e-7 * expected + 1e-20, "\(found), not \(expected)")
            // Half the square of about the angle.
            #expect(found > 0.2 * angle * angle && found < 0.8 * angle * angle, "\(found)")
        }
    }
}
