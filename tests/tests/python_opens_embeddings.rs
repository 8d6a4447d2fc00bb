//! GeoPandas, DuckDB, NumPy, safetensors and rasterio open what `embed`, `cluster` and `embed --maps` write, and agree on what is where.

use preco_core::geo::{Affine, Crs, RasterOut, Samples, write_geotiff};
use preco_core::imagery::raster::open_file;
use preco_tests::binary::preco;
use preco_tests::python::Python;
use preco_train::datasets::scenes::SceneGenerator;
use preco_zoo::embeddings::Embeddings;
use serde_json::json;

/// Metres: positions go to degrees and back.
const NEAR_M: f64 = 1e-3;

#[test]
fn other_programs_open_our_files_and_agree() {
    let packages = ["geopandas>=1.0", "pyarrow", "duckdb", "numpy", "safetensors", "rasterio>=1.4"];
    let Some(python) = Python::with(&packages) else { return };
    let root = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| root.path().join(name).to_str().expect("UTF-8").to_owned();
    let affine = Affine::new([2.0, 0.5, 400_000.0, 0.5, -2.0, 5_800_000.0]);
    let image = SceneGenerator::new(3, 512, 1).scene(0).image;
    let (place, crs) = (Some(&affine), Crs::epsg(32633));
    let out =
        RasterOut { width: 512, height: 512, bands: 3, affine: place, crs: Some(&crs), nodata: None, palette: None };
    write_geotiff(&root.path().join("scene.tif"), &out, Samples::U8(image.data())).expect("scene");
    for command in [
        "embed scene.tif --out all.parquet",
        "embed scene.tif --out all.npy",
        "embed scene.tif --out all.safetensors",
        "cluster all.parquet --clusters 4 --out groups.tif",
        "embed scene.tif --maps 2 --out maps.tif",
    ] {
        preco(root.path(), command).succeeded();
    }
    let arguments = [path("all"), path("scene.tif"), path("groups.tif"), path("maps.tif")];
    let arguments = arguments.each_ref().map(String::as_str);
    let told = Python::told(&mut python.command("embeddings.py", &arguments));

    let file = Embeddings::open(&root.path().join("all.parquet")).expect("open");
    let table = &told["table"];
    assert_eq!((&table["crs"], &table["valid"], &table["oriented"]), (&json!("OGC:CRS84"), &json!(true), &json!(true)));
    assert_eq!(table["ids"], json!(file.tiles.iter().map(|tile| tile.id).collect::<Vec<_>>()));
    let first: Vec<f32> = serde_json::from_value(table["first"].clone()).expect("numbers");
    assert_eq!(first, file.vector(0));
    let last = file.tiles.last().and_then(|tile| tile.place.clone()).expect("place");
    assert_eq!(table["affine"], json!(last.affine));
    for (at, sum) in table["sums"].as_array().expect("sums").iter().enumerate() {
        let ours: f64 = file.vector(at).iter().map(|value| f64::from(*value)).sum();
        assert!((ours - sum.as_f64().expect("a number")).abs() < 1e-9, "row {at}");
    }
    assert_eq!(table["found"], table["touching"], "the boxes are those of the footprints");
    // The corners of the whole scene, as PROJ sees them in metres.
    let corners = [[0.0, 0.0], [512.0, 0.0], [0.0, 512.0], [512.0, 512.0]].map(|[col, row]| affine.apply(col, row));
    let ends = |axis: usize| {
        corners.iter().fold([f64::MAX, f64::MIN], |[low, high], xy| [low.min(xy[axis]), high.max(xy[axis])])
    };
    let expected = [ends(0)[0], ends(1)[0], ends(0)[1], ends(1)[1]];
    for (theirs, ours) in table["bounds"].as_array().expect("bounds").iter().zip(expected) {
        assert!((theirs.as_f64().expect("a number") - ours).abs() < NEAR_M, "{table}");
    }
    // What GeoPandas writes we read: the same rows, without the settings, which it drops.
    let again = Embeddings::open(&root.path().join("all-again.parquet")).expect("GeoPandas' file");
    assert!(again.tiles == file.tiles && again.vectors == file.vectors && again.header.digest == file.header.digest);

    let arrays = &told["arrays"];
    assert_eq!((&arrays["type"], &arrays["ids"]), (&json!("float32"), &table["ids"]));
    assert_eq!(arrays["windows"], json!(file.tiles.iter().map(|tile| tile.window).collect::<Vec<_>>()));
    assert_eq!(arrays["lines"][3]["window"], json!(file.tiles[3].window));
    for name in ["rows", "tensors"] {
        let rows: Vec<Vec<f32>> = serde_json::from_value(arrays[name].clone()).expect("numbers");
        assert!(rows.concat() == file.vectors, "{name}");
    }

    for (theirs, name) in
        told["rasters"].as_array().expect("rasters").iter().zip(["scene.tif", "groups.tif", "maps.tif"])
    {
        let raster = open_file(&root.path().join(name), 0).expect(name);
        let info = raster.info();
        assert_eq!(theirs["size"], json!([info.width, info.height, info.bands.len()]), "{name}");
        assert_eq!((&theirs["crs"], &theirs["dtype"]), (&json!(32633), &json!(info.sample.name())), "{name}");
        let transform: [f64; 6] = serde_json::from_value(theirs["transform"].clone()).expect("transform");
        assert_eq!(Some(Affine::new(transform)), info.affine, "{name}");
        let mut values = vec![0.0; info.width * info.height];
        raster.read(info.window()).expect("read").band(0, &mut values);
        let sum: f64 = values.iter().filter(|value| value.is_finite()).map(|value| f64::from(*value)).sum();
        assert!((sum - theirs["sum"].as_f64().expect("sum")).abs() < 1e-6 * sum.abs().max(1.0), "{name}");
    }
    assert_eq!((&told["rasters"][1]["nodata"], &told["rasters"][1]["colour"]), (&json!("0.0"), &json!([255, 179, 0])));
    assert_eq!(told["rasters"][2]["nodata"], json!("nan"));
}
