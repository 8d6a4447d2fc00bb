//! How alike two images are to a model, which may be a name, `org/name@revision`, an address or a folder:
//! `cargo run --release -p preco-zoo --example similar -- preco-swin-pico one.png other.png`

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, one, other] = &arguments[..] else { return Err("give a model and two images".into()) };
    let encoder = preco_zoo::from_pretrained(model).encoder()?;
    let images = [preco_core::imagery::decode(one.as_ref())?, preco_core::imagery::decode(other.as_ref())?];
    let [one, other] = <[Vec<f32>; 2]>::try_from(encoder.embed_all(&images)?).expect("a vector for each image");
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    println!("{:.4}", dot(&one, &other) / (dot(&one, &one) * dot(&other, &other)).sqrt());
    Ok(())
}
