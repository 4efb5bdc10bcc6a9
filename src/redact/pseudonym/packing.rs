//! How does an id go into a sealed pseudonym, and how is that spelt? Packed first, so that the common ids fit a short one.
//!
//! What is sealed: a kind and a length in one byte, then the packed id, then zeros up to 17 or 32 bytes.
//!
//! | kind | first byte | packed as | accepts |
//! |---|---|---|---|
//! | raw | `0x00 + length` | its bytes | at most 31 bytes |
//! | UUID | `0x20` lower case, `0x21` upper | 16 bytes | 8-4-4-4-12 |
//! | nibbles | `0x40 + length` | half a byte a digit | at most 62 of `0-9a-f` |

/// The letters of a pseudonym: those of a FHIR id.
pub(super) const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.";
const SIV_BYTES: usize = 16;
const SHORT: usize = 17;
const LONG: usize = 32;

pub(super) fn pack(id: &str) -> Option<Vec<u8>> {
    let lower = parse_uuid(id).map(|bytes| (0x20, bytes.to_vec()));
    let upper = || {
        let no_lower = !id.bytes().any(|b| b.is_ascii_lowercase());
        no_lower.then(|| parse_uuid(&id.to_ascii_lowercase())).flatten().map(|bytes| (0x21, bytes.to_vec()))
    };
    let (tag, body) = lower.or_else(upper).or_else(|| pack_nibbles(id)).or_else(|| pack_raw(id))?;
    let length = if body.len() < SHORT { SHORT } else { LONG };
    let mut packed = Vec::with_capacity(length);
    packed.push(tag);
    packed.extend_from_slice(&body);
    packed.resize(length, 0);
    Some(packed)
}

fn pack_raw(id: &str) -> Option<(u8, Vec<u8>)> {
    let length = u8::try_from(id.len()).ok().filter(|length| (1..32).contains(length))?;
    Some((length, id.as_bytes().to_vec()))
}

fn pack_nibbles(id: &str) -> Option<(u8, Vec<u8>)> {
    let length = u8::try_from(id.len()).ok().filter(|length| (1..=62).contains(length))?;
    let digits: Option<Vec<u8>> = id.bytes().map(nibble).collect();
    let body = digits?.chunks(2).map(|pair| pair.iter().fold(0, |v, d| v << 4 | d) << (8 - 4 * pair.len())).collect();
    Some((0x40 + length, body))
}

const fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

pub(super) fn unpack(packed: &[u8]) -> Option<String> {
    let (tag, body) = packed.split_first()?;
    match tag {
        0x20 | 0x21 => Some(format_uuid(body.first_chunk()?, *tag == 0x21)),
        0x01..0x20 => String::from_utf8(body.get(..usize::from(*tag))?.to_vec()).ok(),
        0x41..=0x7E => {
            let digits = body.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
            digits.take(usize::from(tag - 0x40)).map(|d| char::from_digit(u32::from(d), 16)).collect()
        }
        _ => None,
    }
}

/// The bytes of a lower-case UUID, 8-4-4-4-12.
pub(super) fn parse_uuid(id: &str) -> Option<[u8; 16]> {
    let groups: Vec<&str> = id.split('-').collect();
    if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) {
        return None;
    }
    let digits: Option<Vec<u8>> = groups.concat().bytes().map(nibble).collect();
    let bytes: Vec<u8> = digits?.chunks(2).map(|pair| pair.iter().fold(0, |v, d| v << 4 | d)).collect();
    bytes.try_into().ok()
}

pub(super) fn format_uuid(bytes: &[u8; 16], upper: bool) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
    }
    text
}

/// Six bits a letter, most significant first, the last letter filled with zeros.
pub(super) fn encode(bytes: &[u8]) -> Option<String> {
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let word = chunk.iter().fold(0u32, |v, b| v << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
            [18, 12, 6, 0].into_iter().take(chunk.len() + 1).map(move |shift| word >> shift & 63)
        })
        .map(|six| ALPHABET.get(usize::try_from(six).ok()?).map(|letter| char::from(*letter)))
        .collect()
}

/// The bytes of a sealed id; only the one spelling that [`encode`] gives.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    if ![SHORT + SIV_BYTES, LONG + SIV_BYTES].iter().any(|bytes| text.len() == (bytes * 4).div_ceil(3)) {
        return None;
    }
    let mut bytes = Vec::with_capacity(LONG + SIV_BYTES);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0u32;
        for letter in chunk {
            word = word << 6 | u32::try_from(ALPHABET.iter().position(|l| l == letter)?).ok()?;
        }
        let [_, a, b, c] = (word << (6 * (4 - chunk.len()))).to_be_bytes();
        bytes.extend([a, b, c].into_iter().take(chunk.len() - 1));
    }
    (encode(&bytes).as_deref() == Some(text)).then_some(bytes)
}
