//! Well-known binary (OGC 06-103r4, section 8): what GeoParquet stores geometries as. Little-endian, polygons only.

use super::Footprint;

const POLYGON: u32 = 3;
const MULTI_POLYGON: u32 = 6;

impl Footprint {
    /// A polygon, or a multipolygon of several, as well-known binary.
    pub fn to_wkb(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let [ring] = &self.polygons[..] {
            put_polygon(&mut out, ring);
            return out;
        }
        out.push(1);
        out.extend(MULTI_POLYGON.to_le_bytes());
        out.extend((self.polygons.len() as u32).to_le_bytes());
        self.polygons.iter().for_each(|ring| put_polygon(&mut out, ring));
        out
    }

    /// A polygon or multipolygon of two dimensions; holes are left out. Nothing for anything else.
    pub fn from_wkb(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let kind = header(&mut rest)?;
        let polygons = match kind {
            POLYGON => vec![polygon(&mut rest)?],
            MULTI_POLYGON => {
                let count = number(&mut rest)?;
                let member = |_| (header(&mut rest)? == POLYGON).then(|| polygon(&mut rest))?;
                (0..count).map(member).collect::<Option<_>>()?
            }
            _ => return None,
        };
        (rest.is_empty() && !polygons.is_empty()).then_some(Self { polygons })
    }
}

fn put_polygon(out: &mut Vec<u8>, ring: &[[f64; 2]]) {
    out.push(1);
    out.extend(POLYGON.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    out.extend((ring.len() as u32).to_le_bytes());
    out.extend(ring.iter().flatten().flat_map(|value| value.to_le_bytes()));
}

fn header(rest: &mut &[u8]) -> Option<u32> {
    (*rest.split_off_first()? == 1).then(|| number(rest))?
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(rest.split_off(..4)?.try_into().ok()?))
}

/// The first ring of a polygon whose header is read.
fn polygon(rest: &mut &[u8]) -> Option<Vec<[f64; 2]>> {
    let rings = number(rest)?;
    let mut outer = None;
    for _ in 0..rings {
        let points = number(rest)? as usize;
        let bytes = rest.split_off(..points.checked_mul(16)?)?;
        let value = |bytes: &[u8]| Some(f64::from_le_bytes(bytes.try_into().ok()?));
        let point = |bytes: &[u8]| Some([value(&bytes[..8])?, value(&bytes[8..])?]);
        if outer.is_none() {
            outer = Some(bytes.chunks_exact(16).map(point).collect::<Option<_>>()?);
        }
    }
    outer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_polygon_and_two_read_back_and_every_cut_is_refused() {
        let square = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.5], [0.0, 0.0]];
        let other = vec![[5.0, 5.0], [6.0, 5.0], [6.0, 6.5], [5.0, 5.0]];
        for polygons in [vec![square.clone()], vec![square, other]] {
            let footprint = Footprint { polygons };
            let bytes = footprint.to_wkb();
            assert_eq!(Footprint::from_wkb(&bytes), Some(footprint));
            assert!((0..bytes.len()).all(|len| Footprint::from_wkb(&bytes[..len]).is_none()));
        }
    }

    #[test]
    fn counts_that_lie_allocate_nothing() {
        let mut bytes = Footprint { polygons: vec![vec![[0.0, 0.0]; 4]] }.to_wkb();
        bytes[9..13].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Footprint::from_wkb(&bytes), None);
    }
}
