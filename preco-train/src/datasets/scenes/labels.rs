//! A scene's truth in the form that tasks learn from.

use super::{CLASSES, Scene};
use crate::sample::{Instance, LabelledBox, Plane, Sample, Supervision};

impl Scene {
    /// The picture with the labels that a task asks for.
    pub fn into_sample(self, supervision: Supervision) -> Sample {
        let (mut label, mut mask, mut boxes, mut instances) = (Vec::new(), None, Vec::new(), Vec::new());
        match supervision {
            Supervision::None => {}
            Supervision::Label => label = self.one_hot(),
            Supervision::Mask => mask = Some(self.classes_of_pixels()),
            Supervision::Boxes => boxes = self.labelled_boxes(),
            Supervision::Instances => instances = self.objects(),
        }
        Sample { image: self.image, label, mask, boxes, instances }
    }

    /// 1 at the scene's class.
    pub fn one_hot(&self) -> Vec<f32> {
        (0..CLASSES.len()).map(|class| f32::from(u8::from(class == self.class))).collect()
    }

    /// The class of each pixel.
    pub fn classes_of_pixels(&self) -> Plane {
        self.plane(self.mask.clone())
    }

    /// The buildings' boxes.
    pub fn labelled_boxes(&self) -> Vec<LabelledBox> {
        let labelled = |xyxy: [u32; 4], class| LabelledBox { xyxy: xyxy.map(|v| v as f32), class, is_difficult: false };
        self.boxes.iter().map(|b| labelled(b.xyxy, b.class)).collect()
    }

    /// The buildings' pixels.
    pub fn objects(&self) -> Vec<Instance> {
        let pixels = |id: u16| self.instances.iter().map(|&pixel| u8::from(pixel == id)).collect();
        self.boxes.iter().map(|b| Instance { class: b.class, pixels: self.plane(pixels(b.instance)) }).collect()
    }

    fn plane(&self, data: Vec<u8>) -> Plane {
        Plane { width: self.image.width(), height: self.image.height(), data }
    }
}
