import CKernels
import CZstd
import Glibc

/// Codes words of 32 or 16 bits losslessly as byte planes: a plane that compresses is coded with zstd, the others are stored.
///
/// In a gradient only the exponents compress (about 2.6 bits of 8), in the difference of two weights the high bytes.
/// A plane's bytes are next to independent, so all there is to gain is in their frequencies. zstd's search for matches
/// costs time and, with a frequent byte, finds so many short ones that the result is a tenth longer; it is made to skip
/// it and do its Huffman stage alone. (Its negative levels skip that stage instead.) Only a plane of nearly one byte is
/// searched: Huffman codes take at least a bit per byte.
///
/// That stage has no code longer than 11 bits, so each of two hundred bytes that hardly occur, as in the long tail of weight
/// differences, takes a 2,048th of the code space: 5 % in all. Where there are many of them, one stands for all in the
/// plane, an exception, and what they are is listed before it: the exception's byte, the number of exceptions in two
/// bytes, then they.
///
/// Buffers and zstd contexts are made once; coding allocates nothing. One thread at a time.
final class PlaneCodec {
    /// The most words in a frame.
    static let frameValues = 65_536
    /// A plane is coded if a sample of it has less than this entropy, in bits per byte.
    static let codedBelowBits = 7.7
    /// What is sampled of a plane: so many pieces of so many bytes.
    private static let samplePieces = 16
    private static let samplePieceBytes = 256

    /// The most bytes of a frame of `count` words.
    static func frameBound(_ count: Int) -> Int {
        // The last plane may have been written at zstd's bound before it turned out not to compress.
        FrameHeader.byteCount + 3 * count + ZSTD_compressBound(count) + exceptionBytes + mostExceptions
    }

    /// A byte that occurs less often than one in so many is rare.
    private static let rareShare = 4096
    /// Rare bytes are exceptions where there are at least so many kinds of them.
    private static let fewestRareBytes = 32
    private static let mostExceptions = 256 * (frameValues / rareShare)
    /// Before the exceptions themselves.
    private static let exceptionBytes = 3

    /// A plane is searched for matches if a sample of it has less than this entropy, in bits per byte.
    static let searchedBelowBits = 1.2
    /// `ZSTD_c_literalCompressionMode`, which the header names for static linking only; 1 is "always", in all versions.
    private static let literalCompressionMode = ZSTD_c_experimentalParam5

    /// For planes that are searched, and for the others.
    private let compressor: OpaquePointer
    private let entropyCoder: OpaquePointer
    private let decompressor: OpaquePointer
    /// Four planes of `frameValues` bytes.
    private let planes: UnsafeMutablePointer<UInt8>
    private let histogram: UnsafeMutablePointer<UInt32>
    private let isRare: UnsafeMutablePointer<UInt8>
    /// `n log₂ n` for the counts of a sample.
    private let countLogs: [Double]

    init() {
        guard let compressor = ZSTD_createCCtx(), let entropyCoder = ZSTD_createCCtx(),
            let decompressor = ZSTD_createDCtx()
        else {
            fatalError("out of memory: zstd contexts")
        }
        self.compressor = compressor
        self.entropyCoder = entropyCoder
        self.decompressor = decompressor
        planes = .allocate(capacity: 4 * Self.frameValues)
        histogram = .allocate(capacity: 256)
        isRare = .allocate(capacity: 256)
        countLogs = (0...Self.samplePieces * Self.samplePieceBytes).map {
            $0 == 0 ? 0 : Double($0) * log2(Double($0))
        }
        let settings: [(ZSTD_cParameter, Int32)] = [
            (ZSTD_c_compressionLevel, 1), (ZSTD_c_strategy, Int32(ZSTD_fast.rawValue)), (ZSTD_c_hashLog, 6),
            (ZSTD_c_minMatch, 7), (ZSTD_c_targetLength, 0), (ZSTD_c_contentSizeFlag, 1), (ZSTD_c_checksumFlag, 0),
        ]
        for (parameter, value) in settings {
            for context in [compressor, entropyCoder] {
                let code = ZSTD_CCtx_setParameter(context, parameter, value)
                precondition(ZSTD_isError(code) == 0, "zstd refused parameter \(parameter.rawValue) = \(value)")
            }
        }
        // The target length of this strategy is the step of the search: so long a one looks at nothing. A library that
        // does not know the mode keeps searching.
        if ZSTD_isError(ZSTD_CCtx_setParameter(entropyCoder, Self.literalCompressionMode, 1)) == 0 {
            let code = ZSTD_CCtx_setParameter(entropyCoder, ZSTD_c_targetLength, 1 << 17)
            precondition(ZSTD_isError(code) == 0, "zstd refused a target length")
        }
    }

    deinit {
        ZSTD_freeCCtx(compressor)
        ZSTD_freeCCtx(entropyCoder)
        ZSTD_freeDCtx(decompressor)
        planes.deallocate()
        histogram.deallocate()
        isRare.deallocate()
    }

    /// Writes one frame.
    /// `words`: `[count]`, at most `frameValues`; those of 16 bits in the lower halves.
    /// `compresses`: `false` stores all planes.
    /// `output`: room for `frameBound(count)` bytes.
    /// - Returns: bytes written.
    func encode(
        _ words: UnsafePointer<UInt32>, count: Int, content: FrameHeader.Content, compresses: Bool = true,
        to output: UnsafeMutableRawPointer
    ) -> Int {
        precondition(count >= 0 && count <= Self.frameValues, "PlaneCodec: a frame of \(count) words")
        let split = planes
        let rotate: Int32 = content.isRotated ? 1 : 0
        if content.planeCount == 4 {
            neft_planes_split(words, count, rotate, split, split + count, split + 2 * count, split + 3 * count)
        } else {
            neft_planes16_split(words, count, rotate, split, split + count)
        }
        var end = FrameHeader.byteCount
        var header = FrameHeader(
            content: content, count: count, planeSizes: .zero, checksum: neft_words_checksum(words, count))
        for plane in 0..<content.planeCount {
            let stored = storePlane(split + plane * count, count: count, compresses: compresses, to: output + end)
            header.planeSizes[plane] = UInt32(stored.size)
            if stored.isEscaped { header.escapedPlanes |= 1 << plane }
            end += stored.size
        }
        header.write(to: output)
        return end
    }

    /// Reads the frame at the start of `bytes`, which must hold `count` words.
    /// `words`: `[count]`, overwritten; of no meaning after an error.
    /// - Returns: bytes read.
    func decode(
        _ bytes: UnsafeRawBufferPointer, count: Int, content: FrameHeader.Content,
        to words: UnsafeMutablePointer<UInt32>, sender: Int
    ) throws(CollectiveError) -> Int {
        func refusal(_ found: String, _ expected: String) -> CollectiveError {
            CollectiveError(
                subject: "coded message from rank \(sender)", found: found, expected: expected,
                hint: "the data was damaged on its way or in memory")
        }
        precondition(count >= 0 && count <= Self.frameValues, "PlaneCodec: a frame of \(count) words")
        let header: FrameHeader
        do {
            header = try FrameHeader.read(bytes, count: count, content: content)
        } catch {
            throw refusal(error.found, error.expected)
        }
        // Never nil after the header was read.
        guard let start = bytes.baseAddress else { return 0 }
        var end = FrameHeader.byteCount
        func load(_ plane: Int) throws(CollectiveError) -> UnsafePointer<UInt8> {
            let source = start + end
            let size = Int(header.planeSizes[plane])
            end += size
            if size == count { return source.assumingMemoryBound(to: UInt8.self) }
            let decoded = planes + plane * count
            var exceptions = 0
            if header.escapedPlanes & 1 << plane != 0 {
                guard size >= Self.exceptionBytes else { throw refusal("\(size) bytes", "a plane with exceptions") }
                exceptions = Self.exceptionBytes + Int(source.loadUnaligned(fromByteOffset: 1, as: UInt16.self))
                guard exceptions <= size else { throw refusal("\(exceptions) bytes of exceptions", "at most \(size)") }
            }
            let length = ZSTD_decompressDCtx(decompressor, decoded, count, source + exceptions, size - exceptions)
            if ZSTD_isError(length) != 0 {
                throw refusal("zstd: \(String(cString: ZSTD_getErrorName(length)))", "a plane of \(count) bytes")
            }
            if length != count { throw refusal("a plane of \(length) bytes", "\(count)") }
            if exceptions > 0 {
                let listed = exceptions - Self.exceptionBytes
                let list = (source + Self.exceptionBytes).assumingMemoryBound(to: UInt8.self)
                let found = neft_unescape(decoded, count, source.load(as: UInt8.self), list, listed)
                if found != listed { throw refusal("\(found) exceptions", "\(listed)") }
            }
            return UnsafePointer(decoded)
        }
        let rotate: Int32 = content.isRotated ? 1 : 0
        let (p0, p1) = (try load(0), try load(1))
        if content.planeCount == 4 {
            let (p2, p3) = (try load(2), try load(3))
            neft_planes_merge(words, count, rotate, p0, p1, p2, p3)
        } else {
            neft_planes16_merge(words, count, rotate, p0, p1)
        }
        guard neft_words_checksum(words, count) == header.checksum else {
            throw refusal("values that do not fit their checksum", "")
        }
        return end
    }

    /// Coded if that makes it smaller, else plain: of size `count` then. Changes the plane.
    private func storePlane(
        _ plane: UnsafeMutablePointer<UInt8>, count: Int, compresses: Bool, to output: UnsafeMutableRawPointer
    ) -> (size: Int, isEscaped: Bool) {
        let entropy = compresses ? sampledEntropy(plane, count: count) : 8
        if entropy < Self.searchedBelowBits {
            let size = ZSTD_compress2(compressor, output, ZSTD_compressBound(count), plane, count)
            if ZSTD_isError(size) == 0 && size < count { return (size, false) }
        } else if entropy < Self.codedBelowBits {
            let exceptions = takeExceptions(from: plane, count: count, to: output)
            let size =
                exceptions + ZSTD_compress2(entropyCoder, output + exceptions, ZSTD_compressBound(count), plane, count)
            if ZSTD_isError(size - exceptions) == 0 && size < count { return (size, exceptions > 0) }
            if exceptions > 0 {
                let list = (output + Self.exceptionBytes).assumingMemoryBound(to: UInt8.self)
                _ = neft_unescape(
                    plane, count, output.load(as: UInt8.self), list, exceptions - Self.exceptionBytes)
            }
        }
        output.copyMemory(from: plane, byteCount: count)
        return (count, false)
    }

    /// Writes a plane's exceptions and leaves one byte in their place; returns the bytes written, 0 if it has none.
    private func takeExceptions(
        from plane: UnsafeMutablePointer<UInt8>, count: Int, to output: UnsafeMutableRawPointer
    ) -> Int {
        _ = neft_sample_histogram(plane, count, 2, count, histogram)
        var (rare, kinds, exceptions): (UInt8, Int, Int) = (0, 0, 0)
        for value in 0..<256 {
            let occurs = Int(histogram[value])
            isRare[value] = occurs > 0 && occurs * Self.rareShare < count ? 1 : 0
            guard isRare[value] == 1 else { continue }
            (rare, kinds, exceptions) = (UInt8(value), kinds + 1, exceptions + occurs)
        }
        guard kinds >= Self.fewestRareBytes else { return 0 }
        let list = (output + Self.exceptionBytes).assumingMemoryBound(to: UInt8.self)
        _ = neft_escape(plane, count, isRare, rare, list)
        output.storeBytes(of: rare, as: UInt8.self)
        output.storeBytes(of: UInt16(exceptions), toByteOffset: 1, as: UInt16.self)
        return Self.exceptionBytes + exceptions
    }

    /// Order-0 entropy of a sample, in bits per byte.
    private func sampledEntropy(_ plane: UnsafePointer<UInt8>, count: Int) -> Double {
        guard count > 0 else { return 8 }
        let sampled = neft_sample_histogram(plane, count, Self.samplePieces, Self.samplePieceBytes, histogram)
        var sum = 0.0
        for value in 0..<256 { sum += countLogs[Int(histogram[value])] }
        return (countLogs[sampled] - sum) / Double(sampled)
    }
}
