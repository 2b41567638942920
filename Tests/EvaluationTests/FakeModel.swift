import Datasets
import Models

/// A deterministic stand-in: its loss and its text depend on the row *and*, slightly, on the batch, as rounding does in
/// a real model. Cutting batches differently therefore changes the figures.
final class FakeModel: LanguageModel {
    let parameters: [Parameter] = []
    let layerCount = 1
    let vocabularySize = 1000
    let contextLength = 64
    let canonicalConfiguration = "fake"
    /// Shapes of the batches seen: tokens of each scored batch, rows of each generated one.
    private(set) var scored: [Int] = []
    private(set) var generated: [Int] = []

    func evaluate(_ batch: PackedBatch, losses: UnsafeMutableBufferPointer<Float>) {
        scored.append(batch.tokenCount)
        for (i, position) in batch.targetPositions.enumerated() {
            let loss = Float((batch.tokens[Int(position)] * 31 + batch.targetTokens[i] * 17) % 97) / 31
            losses[i] = loss * (1 + Float(batch.tokenCount) * 1e-6)
        }
    }

    /// Echoes the prompt, up to an end token; in a batch of one it stutters.
    func generateGreedy(prompts: [[Int32]], maxNewTokens: Int, endTokens: Set<Int32>) -> [[Int32]] {
        generated.append(prompts.count)
        return prompts.map { prompt in
            let echo = prompt.count == 1 ? prompt : Array(prompt.dropFirst())
            let text = prompts.count == 1 ? echo + echo : echo
            return Array(text.prefix { !endTokens.contains($0) }.prefix(maxNewTokens))
        }
    }

    func forwardBackward(
        _ batch: PackedBatch, trainable: TrainableRows, lossScale: Float,
        gradient: UnsafeMutableBufferPointer<Float>
    ) -> Double { fatalError("evaluation does not train") }

    func observe(_ batch: PackedBatch, _ visit: (Int, Projection, UnsafePointer<Float>) -> Void) {
        fatalError("evaluation looks at no neurons")
    }

    func logits(_ batch: PackedBatch, positions: [Int32], into logits: UnsafeMutableBufferPointer<Float>) {
        fatalError("evaluation needs no logits")
    }
}
