//! An image's embedding, by the model's name: `cargo run --release -p preco-zoo --example embed -- image.png`

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("give an image")?;
    let encoder = preco_zoo::from_pretrained("preco-swin-pico").encoder()?;
    let image = preco_core::imagery::decode(path.as_ref())?;
    println!("{:?}", encoder.embed(&image)?);
    Ok(())
}
